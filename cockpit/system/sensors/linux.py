"""Linux memory from /proc and cgroups. ``root`` lets a test read a recorded tree."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cockpit.core.samples import MemorySample, Pressure
from cockpit.system.sensors.cgroup import CgroupReading, MemoryCgroup
from cockpit.system.sensors.files import read_bytes, read_counters, read_kilobytes, read_text
from cockpit.system.sensors.reading import ProcessReading, Reading

# PSI is a share of time, not a level: these thresholds are this project's. Above "some" an
# update already waits for memory; above "full" nothing ran for a tenth of the last 10 s.
# systemd-oomd kills at 60 % full (oomd.conf), and a checkpoint has to fit in before that.
WARNING_SOME_PERCENT = 10.0
CRITICAL_FULL_PERCENT = 10.0

_STATUS = re.compile(rb"^(Vm(?:Peak|Size|HWM|RSS|Swap)|RssFile):\s*(\d+) kB$", re.MULTILINE)


class LinuxMemory:
    """Reads this machine, or the part of it that a cgroup may use: the trainer's, if one is
    read, else this process's own. A trainer that is gone keeps its cgroup."""

    def __init__(self, root: Path = Path("/")):
        self._root = root
        self._proc = root / "proc"
        self._member = read_text(self._proc / "self/cgroup")
        self._cgroup = MemoryCgroup(root)
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def read(self, trainer_pid: int | None = None) -> Reading:
        memory = read_kilobytes(self._proc / "meminfo")
        events = read_counters(self._proc / "vmstat")
        group = self._cgroup_of(trainer_pid).read()
        total = _smallest(memory.get("MemTotal"), group.limit_bytes)
        available = _smallest(memory.get("MemAvailable"), group.available_bytes)
        swap_total, swap_used = _swap(memory, group)
        some, full = parse_pressure(group.pressure or read_text(self._proc / "pressure/memory"))
        sample = MemorySample(
            ram_total_bytes=total,
            ram_available_bytes=available,
            ram_used_bytes=_difference(total, available),
            swap_total_bytes=swap_total,
            swap_used_bytes=swap_used,
            pressure=pressure_word(some, full),
            pressure_some_percent=some,
            pressure_full_percent=full,
            footprint_bytes=(
                None if trainer_pid is None else self.process(trainer_pid).footprint_bytes
            ),
            limit_bytes=group.limit_bytes,
            limit_used_bytes=group.used_bytes,
            oom_kills=group.oom_kills if group.exists else events.get("oom_kill"),
        )
        return Reading(
            sample,
            self._pages(events, "pswpin"),
            self._pages(events, "pswpout"),
            self._member if group.exists else None,
        )

    def process(self, pid: int) -> ProcessReading:
        """One file. The footprint is resident plus swapped-out bytes without those of files.

        Pages of libraries are shared and dropped when memory is short; no limit is met by them.
        From ``status`` and not ``smaps_rollup``: that one walks every page table under the
        process's memory lock, milliseconds a reading on a process of tens of GB.
        """
        status = read_bytes(self._proc / str(pid) / "status") or b""
        sizes = {name: int(kb) * 1024 for name, kb in _STATUS.findall(status)}
        resident, peak = sizes.get(b"VmRSS"), sizes.get(b"VmHWM")
        own = sizes.get(b"VmSwap", 0) - sizes.get(b"RssFile", 0)
        return ProcessReading(
            footprint_bytes=None if resident is None else resident + own,
            peak_bytes=None if peak is None else peak - sizes.get(b"RssFile", 0),
            address_space_bytes=sizes.get(b"VmSize"),
            peak_address_space_bytes=sizes.get(b"VmPeak"),
            file_bytes=sizes.get(b"RssFile"),
        )

    def _cgroup_of(self, pid: int | None) -> MemoryCgroup:
        """A launcher may put the trainer into a cgroup of its own, even after it started."""
        member = None if pid is None else read_text(self._proc / str(pid) / "cgroup")
        # One that is dying is shown in the root, but only once it has no memory any more.
        if pid is not None and member and member != self._member and self._has_memory(pid):
            self._member = member
            self._cgroup = MemoryCgroup(self._root, pid)
        return self._cgroup

    def _has_memory(self, pid: int) -> bool:
        return self.process(pid).footprint_bytes is not None

    def _pages(self, events: dict[str, int], name: str) -> int | None:
        pages = events.get(name)
        return None if pages is None else pages * self._page_bytes


def parse_pressure(text: str | None) -> tuple[float | None, float | None]:
    """``(some, full)`` avg10 in percent from a PSI file; None where a line is missing."""
    shares: dict[str, float] = {}
    for line in (text or "").splitlines():
        kind, *fields = line.split()
        for field in fields:
            name, _, value = field.partition("=")
            if name == "avg10":
                shares[kind] = float(value)
    return shares.get("some"), shares.get("full")


def pressure_word(some: float | None, full: float | None) -> Pressure | None:
    """A word for PSI's shares; None without PSI (it is not guessed from free memory)."""
    if full is not None and full >= CRITICAL_FULL_PERCENT:
        return "critical"
    if some is None:
        return None
    return "warning" if some >= WARNING_SOME_PERCENT else "normal"


def _swap(memory: dict[str, int], group: CgroupReading) -> tuple[int | None, int | None]:
    total = memory.get("SwapTotal")
    used = _difference(total, memory.get("SwapFree"))
    limit = group.swap_limit_bytes
    if limit is not None and total is not None and limit < total:
        return limit, group.swap_used_bytes
    return total, used


def _smallest(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _difference(whole: int | None, part: int | None) -> int | None:
    return None if whole is None or part is None else max(0, whole - part)
