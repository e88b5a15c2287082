"""Which process is which: a pid together with the moment its process started.

A pid alone says nothing after a while: the system gives it to the next program. The moment is
on a clock that nobody can set. On Linux that is the boot's own: ``boot number x 2**27 s`` plus
the seconds since boot at which the process started, exact to a tick, so that setting the
system's clock changes nothing and a process of an earlier boot is known as one. Elsewhere it is
the Unix time that the kernel noted at the start and never changes after.
"""

from __future__ import annotations

import functools
import hashlib
import os
import signal
from pathlib import Path

import psutil

Identity = tuple[int, float]

# Unix times differ by rounding; ticks of a boot do not.
START_TOLERANCE_SECONDS = 2.0
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")

# Four years of seconds and 2**18 boots fit a float to the tick; no Unix time is as large.
_BOOT_SECONDS = 2.0**27
_FIRST_BOOT_NUMBER = 2**8
_BOOT_NUMBERS = 2**18 - _FIRST_BOOT_NUMBER
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_DEAD_STATES = (b"Z", b"X", b"x")


def identity(pid: int) -> Identity | None:
    """``pid`` and when its process started; None if there is no such process."""
    try:
        ticks = _linux_start(pid)
        return pid, ticks[0] if ticks is not None else _unix_start(psutil.Process(pid))
    except (psutil.Error, OSError, ValueError):
        return None


def is_alive(who: Identity | None) -> bool:
    """Whether that very process still runs: not a zombie, not another one with its pid."""
    if who is None or who[0] <= 0:
        return False
    pid, started = who
    try:
        if names_a_boot(who):
            found = _linux_start(pid)
            return found is not None and found[1] and abs(found[0] - started) < TICK_SECONDS / 2
        process = psutil.Process(pid)
        same = abs(_unix_start(process) - started) <= START_TOLERANCE_SECONDS
        return same and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except (psutil.Error, OSError, ValueError, OverflowError):
        return False


def names_a_boot(who: Identity | None) -> bool:
    """Whether the moment is on a boot's own clock, and not Unix time."""
    return who is not None and who[1] >= _FIRST_BOOT_NUMBER * _BOOT_SECONDS


def is_of_an_earlier_boot(who: Identity | None) -> bool:
    """Whether the machine has restarted since that process started; False if nobody can say."""
    boot = _boot_number()
    if who is None or boot is None or not names_a_boot(who):
        return False
    return int(who[1] // _BOOT_SECONDS) != boot


def send_signal(who: Identity, number: signal.Signals, *, group: bool = False) -> bool:
    """Signals that process, or with ``group`` all that it leads; False if it is gone."""
    if not is_alive(who):
        return False
    pid = who[0]
    try:
        if group and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def find_by_arguments(*tail: str) -> Identity | None:
    """A live process with these consecutive arguments on its command line, the oldest."""
    wanted = list(tail)
    found: list[Identity] = []
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
        except (psutil.Error, OSError):
            continue
        starts = range(1, len(arguments) - len(wanted) + 1)
        if any(arguments[i : i + len(wanted)] == wanted for i in starts):
            who = identity(process.pid)
            if who is not None and is_alive(who):
                found.append(who)
    return min(found, key=lambda who: who[1], default=None)


def _linux_start(pid: int) -> tuple[float, bool] | None:
    """When ``pid`` started on the boot's clock, and whether it lives; None off Linux.

    Raises OSError if there is no such process.
    """
    boot = _boot_number()
    if boot is None:
        return None
    # The name in parentheses may hold anything, so count from its end.
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    seconds = int(fields[19]) * TICK_SECONDS
    return boot * _BOOT_SECONDS + seconds, fields[0] not in _DEAD_STATES


def _unix_start(process: psutil.Process) -> float:
    """What the kernel noted. psutil's public call moves it when the clock is set meanwhile."""
    kernel = process._proc  # type: ignore[attr-defined]
    try:
        return float(kernel.create_time(monotonic=not psutil.LINUX))
    except TypeError:
        return float(process.create_time())


@functools.cache
def _boot_number() -> int | None:
    """A number made from Linux's boot id, the same for all processes of one boot."""
    try:
        boot_id = _BOOT_ID.read_bytes().strip()
    except OSError:
        return None
    digest = int.from_bytes(hashlib.sha256(boot_id).digest()[:8], "big")
    return _FIRST_BOOT_NUMBER + digest % _BOOT_NUMBERS


def signal_name(number: int) -> str:
    """``SIGKILL`` of 9; a number that this system has no name for stays one."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
