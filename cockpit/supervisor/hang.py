"""Notices a trainer that hangs, and ends one whose GPU failed, so that the run can go on."""

from __future__ import annotations

import time

import psutil

from cockpit.core import format as fmt
from cockpit.core.events import Guarded
from cockpit.core.hang import HangRules, Look, gpu_failed
from cockpit.supervisor.journal import Journal
from cockpit.supervisor.progress import Progress
from cockpit.supervisor.stops import Stops
from cockpit.system import log_tail
from cockpit.system.run_dir import AttemptDir

LOG_LINES = 50
# Seconds from SIGTERM, which a trainer inside the GPU's driver cannot obey, to SIGKILL.
KILL_AFTER_SECONDS = 30.0


class HangWatch:
    """``found`` says what was seen once a trainer was ended; None until then."""

    def __init__(
        self,
        attempt: AttemptDir,
        progress: Progress,
        stops: Stops,
        journal: Journal,
        rules: HangRules | None = None,
        kill_after_seconds: float = KILL_AFTER_SECONDS,
    ):
        self.found: str | None = None
        self._attempt = attempt
        self._progress = progress
        self._stops = stops
        self._journal = journal
        self._rules = rules or HangRules()
        self._kill_after_seconds = kill_after_seconds
        self._terminated_at: float | None = None
        self._killed = False

    def look(self) -> None:
        """One look, about a second after the last."""
        if self._terminated_at is not None:
            self._kill_in_the_end(self._terminated_at)
            return
        progress = self._progress
        cpu, suspended = self._cpu()
        answer = self._rules.see(
            Look(
                at=time.monotonic(),
                events=progress.events,
                making_updates=progress.phase == "training" and not progress.paused,
                update_seconds=tuple(progress.seconds),
                cpu_seconds=cpu,
                suspended=suspended,
            )
        )
        if answer == "fine" or self._stops.asked:
            return
        failure = gpu_failed(log_tail.read(self._attempt.log, LOG_LINES))
        if answer == "end" and failure is not None:
            self._end(failure)
        elif answer == "warn" and (failure is not None or self._rules.stands_still):
            self._warn(failure)

    def _warn(self, failure: str | None) -> None:
        silent = fmt.duration(self._rules.silent_seconds)
        last = f"update {fmt.count(self._progress.update)} was {silent} ago"
        usual = self._progress.update_seconds
        usually = f"an update usually takes {usual:.1f} s" if usual is not None else ""
        why = failure or "the trainer does not compute either"
        self._journal.write(
            Guarded(
                attempt=self._attempt.number,
                level="warn",
                title="The trainer seems to hang",
                evidence=tuple(part for part in (last, usually, why) if part),
            )
        )

    def _end(self, failure: str) -> None:
        silent = fmt.duration(self._rules.silent_seconds)
        self.found = f"no update for {silent} after: {failure}"
        self._terminated_at = time.monotonic()
        self._stops.terminate("The trainer hangs after its GPU failed")

    def _kill_in_the_end(self, terminated_at: float) -> None:
        if not self._killed and time.monotonic() - terminated_at >= self._kill_after_seconds:
            self._killed = True
            self._stops.kill("The trainer hangs and did not obey")

    def _cpu(self) -> tuple[float | None, bool]:
        """CPU seconds used so far, and whether the process is suspended."""
        try:
            process = psutil.Process(self._stops.trainer_pid)
            times = process.cpu_times()
            return times.user + times.system, process.status() == psutil.STATUS_STOPPED
        except (psutil.Error, OSError):
            return None, False
