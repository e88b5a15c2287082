"""Room on the disk: enough for the next checkpoint, or training waits until there is."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

# Looking costs microseconds; the disk is shared with whatever else fills it.
LOOK_SECONDS = 5.0
WAITING_LOOK_SECONDS = 1.0
# Events and logs go on while training does.
MARGIN_BYTES = 8 << 20
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Room:
    """Whether ``needed_bytes`` still fit where ``folder`` is, looked at every few seconds."""

    def __init__(self, folder: Path, needed_bytes: int):
        self._folder = folder
        self._needed_bytes = needed_bytes + MARGIN_BYTES
        self._due = 0.0
        self._lacking: str | None = None

    def lacking(self) -> str | None:
        """What is lacking, in a few words; None while there is room or nobody can tell."""
        if time.monotonic() >= self._due:
            free = free_bytes(self._folder)
            short = free is not None and free < self._needed_bytes
            self._lacking = self._words(free) if short and free is not None else None
            self._due = time.monotonic() + (WAITING_LOOK_SECONDS if short else LOOK_SECONDS)
        return self._lacking

    def look_now(self) -> str | None:
        """The same, not from memory: before something is written."""
        self._due = 0.0
        return self.lacking()

    def _words(self, free: int) -> str:
        return (
            f"{free / 1e6:.1f} MB are free and the next checkpoint needs "
            f"{self._needed_bytes / 1e6:.1f} MB"
        )


def free_bytes(folder: Path) -> int | None:
    """What this user may still write there; None if the file system does not say."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None


def is_full(error: OSError) -> bool:
    """Whether a write failed for lack of room: a full disk, a quota, a limit on file size."""
    return error.errno in _NO_ROOM
