"""Watching a run: its event files, read as they grow, become a RunState.

A run of a million events opens in less than a second: everything is right at once but the old
part of its curve, which is drawn from samples. The watcher then looks at every loss, a little
with each poll, and goes on with that state. See ``backlog`` for how.
"""

from __future__ import annotations

from cockpit.core.run_state import RunState
from cockpit.system import liveness, log_tail
from cockpit.system.reader import Reader
from cockpit.system.run_dir import RunDir
from cockpit.system.summary import RunSummary, list_summaries, summary

__all__ = ["RunSummary", "RunWatcher", "current_state", "list_summaries", "summary"]

POLL_BYTES = 1 << 20
# A tenth of a second's work with each poll, until the curve is whole.
REFINE_BYTES = 512 << 10


class RunWatcher:
    """Follows one run. ``poll`` it as often as the screen changes; it keeps its place.

    ``caught_up`` is False while there is more to read than one poll takes. Damage never raises:
    what cannot be read or understood is passed over.
    """

    def __init__(self, run: RunDir):
        self.run = run
        self._reader = Reader(run, "sampled")
        self._finer: Reader | None = None

    @property
    def state(self) -> RunState:
        return self._reader.state

    @property
    def caught_up(self) -> bool:
        return self._reader.caught_up

    @property
    def whole_curve(self) -> bool:
        """Whether every loss there is has been looked at."""
        return self.caught_up and not self._reader.sampled

    def poll(self, limit_bytes: int = POLL_BYTES) -> RunState:
        """The state after about ``limit_bytes`` more of the run's records.

        It is not always the same object: it is replaced once the curve is whole.
        """
        self._read(limit_bytes)
        if self.caught_up:
            liveness.see_what_follows(self.run, self.state)
        if self.caught_up and liveness.is_dead(self.run, self.state):
            # Nobody writes any more: what came in since the last read is the last there is.
            self._reader.read(limit_bytes)
            if self.caught_up and liveness.is_dead(self.run, self.state):
                liveness.bury(self.run, self.state)
        return self.state

    def _read(self, limit_bytes: int) -> None:
        if self.caught_up and self._reader.sampled:
            self._refine()
        self._reader.read(limit_bytes)

    def _refine(self) -> None:
        if self._finer is None:
            self._finer = Reader(self.run, "extremes")
        self._finer.read(REFINE_BYTES)
        if self._finer.caught_up:
            self._reader, self._finer = self._finer, None

    def log_tail(self, lines: int = 20) -> list[str]:
        """The last lines the newest attempt printed, without control characters."""
        attempts = self.run.attempts()
        return log_tail.read(attempts[-1].log, lines) if attempts else []


def current_state(run: RunDir) -> RunState:
    """The whole state of a run now, read from the start; of a long curve its samples."""
    watcher = RunWatcher(run)
    state = watcher.poll()
    while not watcher.caught_up:
        state = watcher.poll()
    return state
