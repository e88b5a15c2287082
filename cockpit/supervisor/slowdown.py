"""What a recovery costs in time, measured: its attempt's pace against that of the one before."""

from __future__ import annotations

from cockpit.core.events import Recovered
from cockpit.supervisor.journal import Journal
from cockpit.supervisor.progress import Progress
from cockpit.system import recoveries
from cockpit.system.run_dir import AttemptDir, RunDir

# Updates of the new attempt before it is judged.
UPDATES = 8


class Slowdown:
    """Writes the recovery of ``attempt`` once more when its cost is known."""

    def __init__(self, run: RunDir, attempt: AttemptDir, progress: Progress, journal: Journal):
        self._attempt = attempt
        self._progress = progress
        self._journal = journal
        self._recovery = recoveries.of(attempt)
        self._before = None
        if self._recovery is not None:
            before = run.attempt(self._recovery.after_attempt)
            self._before = recoveries.seconds_per_token(before)

    def look(self) -> None:
        """Does something once, after enough updates."""
        if self._before is not None and self._progress.seen >= UPDATES:
            self.say()

    def say(self) -> None:
        """Tells what is known by now."""
        before, self._before = self._before, None
        now = recoveries.seconds_per_token(self._attempt) if before is not None else None
        if self._recovery is not None and before and now:
            told = self._recovery.model_copy(update={"slowdown": now / before})
            self._journal.write(Recovered(attempt=self._attempt.number, recovery=told))
