"""The memory cgroup a process lives in, versions 1 and 2, and every limit above it.

A limit on any ancestor binds as hard as the process's own. Formats: the kernel's
Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cockpit.system.sensors.files import read_counters, read_int, read_text

# Version 1 writes "no limit" as the largest page-aligned signed 64-bit number.
_UNLIMITED_FROM = 1 << 62


@dataclass(frozen=True, slots=True)
class CgroupReading:
    """The tightest limit among this cgroup and its ancestors; None where there is none.

    ``available_bytes`` is the smallest headroom under any of the limits, which another
    tenant of a shared ancestor may have eaten. ``pressure`` is the text of the tightest
    cgroup's PSI file (version 2 only). ``exists`` is False outside any memory cgroup, and
    ``oom_kills`` is None, not another cgroup's count, once the cgroup was removed.
    """

    limit_bytes: int | None = None
    used_bytes: int | None = None
    available_bytes: int | None = None
    swap_limit_bytes: int | None = None
    swap_used_bytes: int | None = None
    pressure: str | None = None
    oom_kills: int | None = None
    exists: bool = True


@dataclass(frozen=True, slots=True)
class _Names:
    """What one version calls its files."""

    limit: str
    usage: str
    file_cache: str
    kills: str


_NAMES = {
    1: _Names(
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
        "memory.oom_control",
    ),
    2: _Names("memory.max", "memory.current", "inactive_file", "memory.events"),
}


@dataclass(frozen=True, slots=True)
class _Level:
    folder: Path
    limit_bytes: int
    used_bytes: int | None

    @property
    def available_bytes(self) -> int | None:
        return None if self.used_bytes is None else max(0, self.limit_bytes - self.used_bytes)


class MemoryCgroup:
    """Finds the cgroup of a process once; ``read`` then costs a few small files a level."""

    def __init__(self, root: Path = Path("/"), process: int | str = "self"):
        self._version, self._folders = find(root, process)

    def read(self) -> CgroupReading:
        """The limits and counters now; everything None outside any memory cgroup."""
        if not self._folders:
            return CgroupReading(exists=False)
        own = self._folders[0]
        kills = read_counters(own / _NAMES[self._version].kills).get("oom_kill")
        # The root of version 2 counts nothing itself: then the machine's own counter holds.
        counted = kills is not None or not own.is_dir()
        levels = [level for folder in self._folders if (level := self._level(folder))]
        if not levels:
            return CgroupReading(oom_kills=kills, exists=counted)
        tightest = min(levels, key=lambda level: level.limit_bytes)
        swap_limit, swap_used = self._swap(tightest)
        headrooms = [level.available_bytes for level in levels]
        return CgroupReading(
            limit_bytes=tightest.limit_bytes,
            used_bytes=tightest.used_bytes,
            available_bytes=min((room for room in headrooms if room is not None), default=None),
            swap_limit_bytes=swap_limit,
            swap_used_bytes=swap_used,
            pressure=read_text(tightest.folder / "memory.pressure"),
            oom_kills=kills,
            exists=counted,
        )

    def _level(self, folder: Path) -> _Level | None:
        names = _NAMES[self._version]
        limit = _limit(folder / names.limit)
        if limit is None:
            return None
        used = read_int(folder / names.usage)
        if used is not None:
            # Inactive file cache is charged here but dropped before anything is killed.
            used -= read_counters(folder / "memory.stat").get(names.file_cache, 0)
        return _Level(folder, limit, used if used is None else max(0, used))

    def _swap(self, level: _Level) -> tuple[int | None, int | None]:
        if self._version == 2:
            limit = _limit(level.folder / "memory.swap.max")
            return limit, read_int(level.folder / "memory.swap.current")
        both = _limit(level.folder / "memory.memsw.limit_in_bytes")
        both_used = read_int(level.folder / "memory.memsw.usage_in_bytes")
        memory_used = read_int(level.folder / _NAMES[1].usage)
        used = None if both_used is None or memory_used is None else both_used - memory_used
        return (None if both is None else max(0, both - level.limit_bytes)), used


def _limit(path: Path) -> int | None:
    limit = read_int(path)
    return None if limit is None or limit >= _UNLIMITED_FROM else limit


def find(root: Path, process: int | str) -> tuple[int, list[Path]]:
    """The version and the folders from the process's cgroup up to the mount."""
    for version, own in _memberships(root, process):
        for mounted, mount in _mounts(root, version):
            if folders := _ancestry(root, own, mounted, mount):
                return version, folders
    return 2, []


def _memberships(root: Path, process: int | str) -> list[tuple[int, str]]:
    """``(version, path)`` of the memory controller, version 1 first: hybrid hosts have both."""
    found = []
    for line in (read_text(root / f"proc/{process}/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            found.append((1, path))
        elif number == "0" and not controllers:
            found.append((2, path))
    return sorted(found)


def _mounts(root: Path, version: int) -> list[tuple[str, str]]:
    """``(path inside the hierarchy, mount point)`` of each mount of that version."""
    found = []
    for line in (read_text(root / "proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        fields, kind, options = left.split(), right.split()[:1], right.split()[-1:]
        wanted = kind == ["cgroup2"] if version == 2 else kind == ["cgroup"]
        if version == 1:
            wanted = wanted and "memory" in "".join(options).split(",")
        if wanted and len(fields) >= 5:
            found.append((fields[3], fields[4]))
    return found


def _ancestry(root: Path, own: str, mounted: str, mount: str) -> list[Path]:
    """Existing folders from ``own`` up to the mount point.

    A container may mount its own cgroup as the top while ``/proc/self/cgroup`` still names
    the host's path: then the mount point is the cgroup.
    """
    top = root / mount.lstrip("/")
    inside = own.removeprefix(mounted.rstrip("/")).lstrip("/") if _below(own, mounted) else ""
    folder = top / inside
    if not folder.is_dir():
        folder = top
    folders = [folder, *folder.parents]
    return folders[: folders.index(top) + 1] if top.is_dir() else []


def _below(own: str, mounted: str) -> bool:
    outside = ".." in own.split("/")
    return not outside and (own + "/").startswith(mounted.rstrip("/") + "/")
