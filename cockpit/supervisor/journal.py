"""The supervisor's own file. A full disk costs samples, never the supervisor."""

from __future__ import annotations

import contextlib
from collections import deque
from pathlib import Path

from cockpit.core.events import MemorySampled, SupervisorEvent
from cockpit.system import jsonl

PENDING_RECORDS = 100


class Journal:
    """Appends to supervisor.jsonl.

    A start, an exit or a note that could not be written waits and goes first the next time; a
    sample does not wait.
    """

    def __init__(self, path: Path):
        self._path = path
        self._pending: deque[bytes] = deque(maxlen=PENDING_RECORDS)

    def write(self, event: SupervisorEvent) -> None:
        passing = isinstance(event, MemorySampled)
        if not passing:
            self._pending.append(event.line())
        with contextlib.suppress(OSError):
            while self._pending:
                jsonl.append(self._path, self._pending[0])
                self._pending.popleft()
            if passing:
                jsonl.append(self._path, event.line())
