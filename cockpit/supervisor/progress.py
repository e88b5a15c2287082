"""How far the trainer is, from the events it writes."""

from __future__ import annotations

import contextlib
import statistics
from collections import deque
from pathlib import Path

from cockpit.core import events as ev
from cockpit.system import jsonl

RECENT_UPDATES = 20
# An update counts its targets, one fewer than tokens.
LONGEST_SHARE = 0.95
# A peak that rises by less is none that is worth a closer look.
RISE = 1.005
# Enough of what was written before this supervisor came to know where the trainer is.
_TAIL_BYTES = 64 * 1024


class Progress:
    """Follows one attempt's trainer.jsonl, in which an update holds ``examples`` examples.

    They are cut at ``most_tokens``; None if they are not.
    ``events`` counts what was read so far; ``seen`` the updates among it, and ``longer`` is the
    newest update whose batch held more tokens, or took more memory, than any before.
    """

    def __init__(self, path: Path, examples: int = 1, most_tokens: int | None = None):
        self.events = 0
        self.seen = 0
        self.update = 0
        self.longer = 0
        self.phase = "loading"
        self.paused = False
        self.device = ""
        self.active_bytes: int | None = None
        self.peak_bytes: int | None = None
        self.seconds: deque[float] = deque(maxlen=RECENT_UPDATES)
        self._examples = examples
        self._cut_at = most_tokens
        self._longest_tokens: int | None = None
        self._most_tokens = 0
        self._tail = jsonl.Tail(path)
        self._tail.offset = max(0, self._tail.unread_bytes() - _TAIL_BYTES)

    @property
    def training(self) -> bool:
        """Whether updates are being made, the first one's compiling included."""
        return self.phase in ("compiling", "training")

    @property
    def update_seconds(self) -> float | None:
        """What an update usually takes; None until one was made."""
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def longest_seen(self) -> bool:
        """Whether an update was about as long as the longest example could make one."""
        if self._longest_tokens is None:
            return False
        return self._most_tokens >= LONGEST_SHARE * self._longest_tokens * self._examples

    def follow(self) -> None:
        """Reads what is new. A file that cannot be read just now tells nothing new."""
        with contextlib.suppress(OSError):
            while lines := self._tail.read():
                for line in lines:
                    self._learn(ev.parse_event(line))

    def _learn(self, event: ev.Event | None) -> None:
        self.events += 1
        match event:
            case ev.Updated():
                self._learn_update(event)
            case ev.ModelLoaded():
                lengths = (event.longest_tokens, self._cut_at)
                self._longest_tokens = min((n for n in lengths if n is not None), default=None)
            case ev.PhaseChanged():
                self.phase = event.phase
            case ev.Started():
                self.device = event.device
            case ev.Paused() | ev.Resumed():
                self.paused = isinstance(event, ev.Paused)

    def _learn_update(self, event: ev.Updated) -> None:
        self.seen += 1
        self.update = event.update
        self.seconds.append(event.seconds)
        if event.tokens > self._most_tokens or event.peak_bytes > RISE * (self.peak_bytes or 0):
            self.longer = event.update
        self._most_tokens = max(self._most_tokens, event.tokens)
        self.active_bytes, self.peak_bytes = event.active_bytes, event.peak_bytes
