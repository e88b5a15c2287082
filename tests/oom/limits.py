"""Real limits around the trainer: a memory cgroup where that may be made, else address space.

Both are set by the command that starts the trainer (COCKPIT_TRAINER_COMMAND), so the cockpit
does not know of them: it has only what is left of the trainer to go by.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import sys
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
TRAINER = [sys.executable, "-m", "cockpit.trainer"]
_numbers = itertools.count()


class Cgroup:
    """A memory cgroup of its own; v1 or v2."""

    kinds = frozenset({"memory_kill"})
    trainer = TRAINER

    def __init__(self, parent: Path, limit_name: str, peak_name: str):
        self._folder = parent / f"cockpit-test-{os.getpid()}-{next(_numbers)}"
        self._limit_name, self._peak_name = limit_name, peak_name
        self._folder.mkdir()

    def command(self, limit_bytes: int | None = None) -> str:
        if limit_bytes is not None:
            (self._folder / self._limit_name).write_text(str(limit_bytes))
        return _shell(
            f"echo $$ > {shlex.quote(str(self._folder))}/cgroup.procs && exec", self.trainer
        )

    def peak_bytes(self) -> int:
        return int((self._folder / self._peak_name).read_text())

    def close(self) -> None:
        for _ in range(100):
            with contextlib.suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(0.05)


class AddressSpace:
    """``ulimit -v``: the allocator gets no more, and MLX crashes."""

    kinds = frozenset({"allocator", "allocation"})
    trainer = TRAINER

    def __init__(self, folder: Path):
        self._seen = folder / f"peak-{next(_numbers)}"

    def command(self, limit_bytes: int | None = None) -> str:
        if limit_bytes is None:
            # The largest address space of the process, read while it lives.
            watch = "while grep VmPeak /proc/$$/status > {0}.new; do mv {0}.new {0}; done"
            return _shell(f"( {watch.format(self._seen)} ) 2>/dev/null & exec", self.trainer)
        return _shell(f"ulimit -v {limit_bytes // 1024} && exec", self.trainer)

    def peak_bytes(self) -> int:
        return int(self._seen.read_text().split()[1]) * 1024

    def close(self) -> None:
        self._seen.unlink(missing_ok=True)


Limit = Cgroup | AddressSpace


def cgroup() -> Cgroup | None:
    """A memory cgroup, if this process may make one."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        v1 = "memory" in names.split(",")
        if not v1 and names:
            continue
        parent = (ROOT / "memory" if v1 else ROOT) / path.lstrip("/")
        limit = "memory.limit_in_bytes" if v1 else "memory.max"
        peak = "memory.max_usage_in_bytes" if v1 else "memory.peak"
        with contextlib.suppress(OSError):
            made = Cgroup(parent, limit, peak)
            if _works(made):
                return made
            made.close()
    return None


def _works(made: Cgroup) -> bool:
    """Whether it counts memory and takes processes: v2 refuses where it is not delegated."""
    command = [*shlex.split(made.command(1 << 40))[: -len(TRAINER)], "true"]
    try:
        made.peak_bytes()
        return os.spawnvp(os.P_WAIT, command[0], command) == 0
    except (OSError, ValueError):
        return False


def _shell(before: str, trainer: list[str]) -> str:
    return shlex.join(["sh", "-c", f'{before} "$@"', "limited", *trainer])
