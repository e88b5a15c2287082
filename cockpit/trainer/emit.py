"""Writes the trainer's events, one write a line, and outlives a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from cockpit.core.events import Note, TrainerEvent, Updated

# Events kept while the disk is full. Beyond this, updates (and only they) are dropped.
PENDING_BYTES = 4 << 20


class Emitter:
    """Appends events to a file. Without a path (a rank other than 0) it writes nothing.

    A write that fails never raises: what could not be written waits and goes out with the next
    event that can be, followed by one Note about it.
    """

    def __init__(self, path: Path | None):
        self._path = path
        self._descriptor = -1
        self._pending = b""
        self._late = 0
        self._dropped = 0
        self._reason = ""

    def __call__(self, event: TrainerEvent) -> None:
        if self._path is None:
            return
        if self._pending:
            self._late += 1
            if isinstance(event, Updated) and len(self._pending) > PENDING_BYTES:
                self._dropped += 1
            else:
                self._pending += event.line()
        else:
            self._pending = event.line()
        self.flush()

    def flush(self) -> bool:
        """Writes what is waiting; True when nothing is left."""
        try:
            while self._pending:
                if self._descriptor < 0:
                    self._open()
                written = os.write(self._descriptor, self._pending)
                self._pending = self._pending[written:]
        except OSError as error:
            if not self._reason:
                self._reason = os.strerror(error.errno or errno.EIO)
                say(f"events cannot be written: {self._reason}; training goes on")
            return False
        if self._reason:
            self._report_recovery()
        return not self._pending

    def close(self) -> None:
        self.flush()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        assert self._path is not None
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o644)
        size = os.fstat(self._descriptor).st_size
        # A trainer that died mid-line must not swallow our first event.
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            self._pending = b"\n" + self._pending

    def _report_recovery(self) -> None:
        lost = f", {self._dropped} updates were left out" if self._dropped else ""
        message = f"{self._late} events were written late{lost}: {self._reason}"
        self._reason, self._late, self._dropped = "", 0, 0
        self(Note(level="warning", message=message, remedy="Keep some space free on this disk."))


def say(line: str) -> None:
    """A line for train.log. A closed or full standard output is no reason to stop training."""
    try:
        print(line, flush=True)
    except (OSError, ValueError):
        return
