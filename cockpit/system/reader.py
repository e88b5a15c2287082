"""A run's event files, read as they grow and merged by time into one RunState.

An attempt's end is applied before the next one's start however far one file is ahead of
another. A clock that stepped back inside a file does not reorder that file.
"""

from __future__ import annotations

import heapq
from collections import deque
from pathlib import Path

from cockpit.core import events as ev
from cockpit.core.run_state import RECENT_SAMPLES, RunState, apply
from cockpit.system import backlog, history, jsonl
from cockpit.system.backlog import Backlog, Manner
from cockpit.system.run_dir import RunDir

# Old updates are searched, not parsed: so much cheaper is a byte of them, about.
_BACKLOG_DISCOUNT = {"sampled": 256, "extremes": 64}
_SMALLEST_SHARE_BYTES = 4096


class Reader:
    """Keeps its place in every event file of a run.

    ``caught_up`` is False while there is more to read than one call takes. ``sampled`` is True
    once part of the curve is only hinted at, see ``backlog``. Damage never raises: what cannot
    be read or understood is passed over.
    """

    def __init__(self, run: RunDir, manner: Manner):
        self.state = RunState()
        self.caught_up = False
        self._run = run
        self._manner = manner
        self._supervisor = _Source(run.supervisor_events, manner, memory=True)
        self._trainers: dict[Path, _Source] = {}

    @property
    def sampled(self) -> bool:
        return self._manner == "sampled" and any(s.thinned for s in self._trainers.values())

    def read(self, limit_bytes: int) -> None:
        """Applies about ``limit_bytes`` more of the run's records to ``state``."""
        for attempt in self._run.attempts():
            path = attempt.trainer_events
            if path not in self._trainers:
                self._trainers[path] = _Source(path, self._manner, memory=False)
        # The supervisor's first: an exit it reports is never read before the trainer's last word.
        sources = [self._supervisor, *self._trainers.values()]
        self.caught_up = _merge(sources, self.state, limit_bytes)


class _Source:
    """One file's events not applied yet."""

    def __init__(self, path: Path, manner: Manner, *, memory: bool):
        self.waiting: deque[ev.Event] = deque()
        self.thinned = False
        self._tail = jsonl.Tail(path)
        self._manner: Manner = manner
        self._memory = memory
        self._backlog: Backlog | None = None

    def fill(self, limit_bytes: int) -> int:
        """Reads on until something waits; returns what it cost, in bytes of lines parsed."""
        cost = 0
        while not self.waiting:
            try:
                lines, size_bytes, spent = self._read(limit_bytes)
            except OSError:
                break
            if not size_bytes:
                break
            cost += spent
            self.waiting.extend(_parse(lines))
        return cost

    def _read(self, limit_bytes: int) -> tuple[list[bytes], int, int]:
        """Lines, how much of the file they stand for, and what they cost."""
        if self._backlog is None:
            self._backlog = backlog.of(self._tail, self._manner, memory=self._memory)
        if self._backlog is None:
            block = self._tail.read_block(limit_bytes)
            return jsonl.lines_of(block), len(block), len(block)
        self.thinned = True
        lines, size_bytes = self._backlog.read()
        if self._backlog.done or not size_bytes:
            self._backlog = None
        discount = _BACKLOG_DISCOUNT[self._manner]
        return lines, size_bytes, sum(map(len, lines)) + size_bytes // discount


def _merge(sources: list[_Source], state: RunState, limit_bytes: int) -> bool:
    """Applies events in time order; True once every file is read to its end."""
    share = max(_SMALLEST_SHARE_BYTES, limit_bytes // len(sources))
    cost = 0
    while True:
        cost += sum(source.fill(share) for source in sources)
        heads = [(s.waiting[0].t, i, s) for i, s in enumerate(sources) if s.waiting]
        if not heads:
            return True
        _apply_until_one_is_empty(heads, state)
        if cost >= limit_bytes:
            return False


def _apply_until_one_is_empty(heads: list[tuple[float, int, _Source]], state: RunState) -> None:
    """Beyond that, what the emptied file holds next might come first."""
    heapq.heapify(heads)
    while True:
        _, index, source = heads[0]
        apply(state, source.waiting.popleft())
        if not source.waiting:
            return
        heapq.heapreplace(heads, (source.waiting[0].t, index, source))


def _parse(lines: list[bytes]) -> list[ev.Event]:
    """The events on ``lines``; of memory samples only as many as a RunState keeps."""
    wanted = history.without_old_samples(lines, RECENT_SAMPLES)
    return [event for line in wanted if (event := ev.parse_event(line)) is not None]
