"""Which process is which: a pid together with the moment its process started.

A pid alone says nothing after a while: the system gives it to the next program.
"""

from __future__ import annotations

import os
import signal

import psutil

Identity = tuple[int, float]

# Linux counts starts in ticks since boot and knows the boot time to a second, give or take.
START_TOLERANCE_SECONDS = 2.0


def identity(pid: int) -> Identity | None:
    """``pid`` and when its process started (Unix time); None if there is no such process."""
    try:
        return pid, psutil.Process(pid).create_time()
    except (psutil.Error, ValueError):
        return None


def is_alive(who: Identity | None) -> bool:
    """Whether that very process still runs: not a zombie, not another one with its pid."""
    if who is None:
        return False
    pid, started = who
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) <= START_TOLERANCE_SECONDS
        return same and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except (psutil.Error, ValueError, OverflowError):
        return False


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
            starts = range(1, len(arguments) - len(wanted) + 1)
            if any(arguments[i : i + len(wanted)] == wanted for i in starts):
                found.append((process.pid, process.create_time()))
        except (psutil.Error, OSError):
            continue
    return min((who for who in found if is_alive(who)), key=lambda who: who[1], default=None)
