"""Which trainer a new supervisor is responsible for: a living one, else the newest attempt's."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.supervisor.trainer_process import Trainer
from cockpit.system import history, process
from cockpit.system.history import TrainerHistory
from cockpit.system.run_dir import AttemptDir, RunDir


@dataclass(frozen=True, slots=True)
class Charge:
    """``trainer`` lives and is to be adopted; without one, ``past`` is the attempt's dead
    trainer; with neither, the attempt has yet to start."""

    attempt: AttemptDir
    trainer: Trainer | None = None
    past: TrainerHistory | None = None


def find(run: RunDir) -> Charge:
    """Looks for a living trainer of any attempt first: there must never be two.

    Raises OSError if the run's records cannot be read.
    """
    known = history.trainers(run)
    attempts = run.attempts()
    for attempt in reversed(attempts):
        past = known.get(attempt.number)
        if past is not None and process.is_alive(past.trainer):
            return Charge(attempt, Trainer(past.trainer))
    for attempt in reversed(attempts):
        past = known.get(attempt.number)
        if run.supervisor_events.exists() and (past is None or not past.exited):
            # A supervisor may have died between starting a trainer and writing so: then the
            # process table knows better.
            who = process.find_by_arguments(str(run.path), str(attempt.number))
            if who is not None:
                return Charge(attempt, Trainer(who))
    newest = attempts[-1]
    return Charge(newest, past=known.get(newest.number))
