"""Locks on files in the run directory, held for the holder's life: one supervisor a run.

The kernel drops it when the holder dies, however it dies, so it is never stale.
"""

from __future__ import annotations

import fcntl
import os

from cockpit.system.run_dir import RunDir

LOCK_NAME = "supervisor.lock"
# Held by whoever is starting a supervisor, until that one answers.
LAUNCH_LOCK_NAME = "launch.lock"


def acquire(run: RunDir, name: str = LOCK_NAME) -> int | None:
    """A descriptor that holds the lock until it is closed; None if another process has it.

    Raises OSError if the run directory cannot be written.
    """
    descriptor = os.open(run.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_held(run: RunDir, name: str = LOCK_NAME) -> bool:
    """Whether some process has the lock now."""
    try:
        descriptor = os.open(run.path / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared, so that askers never refuse each other; a supervisor that meets it tries again.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    else:
        return False
    finally:
        os.close(descriptor)
