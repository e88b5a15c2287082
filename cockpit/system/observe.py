"""Watching a run: its event files, read as they grow, become a RunState.

The files of supervisor and trainers are merged by time, so an attempt's end is applied before
the next one's start however far one file is ahead of another. A clock that stepped back inside
a file does not reorder that file.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from cockpit.core import events as ev
from cockpit.core.run_state import RECENT_SAMPLES, RunState, apply
from cockpit.system import history, jsonl, liveness, log_tail
from cockpit.system.run_dir import RunDir
from cockpit.system.summary import RunSummary, list_summaries, summary

__all__ = ["RunSummary", "RunWatcher", "current_state", "list_summaries", "summary"]

POLL_BYTES = 1 << 20


class RunWatcher:
    """Follows one run. ``poll`` it as often as the screen changes; it keeps its place.

    ``caught_up`` is False while there is more to read than one poll takes. Damage never raises:
    what cannot be read or understood is passed over.
    """

    def __init__(self, run: RunDir):
        self.run = run
        self.state = RunState()
        self.caught_up = False
        self._supervisor = _Source(run.supervisor_events)
        self._trainers: dict[Path, _Source] = {}

    def poll(self, limit_bytes: int = POLL_BYTES) -> RunState:
        """The state after about ``limit_bytes`` more of the run's records; always one object."""
        self._read(limit_bytes)
        if self.caught_up and liveness.is_dead(self.run, self.state):
            # Nobody writes any more: what came in since the last read is the last there is.
            self._read(limit_bytes)
            if self.caught_up and liveness.is_dead(self.run, self.state):
                liveness.bury(self.run, self.state)
        return self.state

    def log_tail(self, lines: int = 20) -> list[str]:
        """The last lines the newest attempt printed, without control characters."""
        attempts = self.run.attempts()
        return log_tail.read(attempts[-1].log, lines) if attempts else []

    def _read(self, limit_bytes: int) -> None:
        for attempt in self.run.attempts():
            path = attempt.trainer_events
            self._trainers.setdefault(path, _Source(path))
        # The supervisor's first: an exit it reports is never read before the trainer's last word.
        sources = [self._supervisor, *self._trainers.values()]
        self.caught_up = _merge(sources, self.state, limit_bytes)


class _Source:
    """One file's events not applied yet."""

    def __init__(self, path: Path):
        self._tail = jsonl.Tail(path)
        self.waiting: deque[ev.Event] = deque()

    def fill(self, limit_bytes: int) -> int:
        """Reads on if nothing waits; returns the bytes read."""
        before = self._tail.offset
        while not self.waiting:
            try:
                lines = self._tail.read(limit_bytes)
            except OSError:
                break
            if not lines:
                break
            self.waiting.extend(_parse(lines))
        return max(0, self._tail.offset - before)


def _merge(sources: list[_Source], state: RunState, limit_bytes: int) -> bool:
    """Applies events in time order; True once every file is read to its end."""
    share = max(4096, limit_bytes // len(sources))
    read_bytes = 0
    while True:
        read_bytes += sum(source.fill(share) for source in sources)
        heads = [(s.waiting[0].t, i, s) for i, s in enumerate(sources) if s.waiting]
        if not heads:
            return True
        _apply_until_one_is_empty(heads, state)
        if read_bytes >= limit_bytes:
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


def _parse(lines: list[bytes]) -> Iterable[ev.Event]:
    """The events on ``lines``; of memory samples only as many as a RunState keeps."""
    wanted = history.without_old_samples(lines, RECENT_SAMPLES)
    return [event for line in wanted if (event := ev.parse_event(line)) is not None]


def current_state(run: RunDir) -> RunState:
    """The whole state of a run now, read from the start."""
    watcher = RunWatcher(run)
    state = watcher.poll()
    while not watcher.caught_up:
        state = watcher.poll()
    return state
