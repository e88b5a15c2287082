"""Stops that the trainer did not obey: the second terminates it, a third kills it."""

from __future__ import annotations

import contextlib

from cockpit.core.events import Note
from cockpit.supervisor.journal import Journal
from cockpit.supervisor.trainer_process import Trainer
from cockpit.system import control
from cockpit.system.asked import Beginning, StopFollower
from cockpit.system.run_dir import RunDir


class Stops:
    """Follows control.jsonl for the stops meant for one trainer, and acts on them once each."""

    def __init__(self, run: RunDir, trainer: Trainer, journal: Journal, since: Beginning):
        self.signals_sent: list[str] = []
        self._follower = StopFollower(run, since)
        self._trainer = trainer
        self._journal = journal
        self._done = 0

    @property
    def trainer_pid(self) -> int:
        return self._trainer.who[0]

    @property
    def asked(self) -> bool:
        """Whether anybody but the guard stops this trainer."""
        return bool(self._done or self.signals_sent)

    def follow(self) -> None:
        """Takes the next step if a stop asks for one; called about once a second."""
        with contextlib.suppress(OSError):
            steps = control.escalation(self._follower.times())
            for _, step in steps[self._done :]:
                self._done += 1
                self._take(step)

    def terminate(self, why: str) -> None:
        """Asks the trainer by signal to stop: it checkpoints and ends."""
        if self._trainer.terminate():
            self.signals_sent.append("SIGTERM")
            self._say(f"{why}: SIGTERM was sent to the trainer.")

    def kill(self, why: str) -> None:
        """Ends the trainer without asking."""
        if self._trainer.kill():
            self.signals_sent.append("SIGKILL")
            self._say(f"{why}: SIGKILL was sent to the trainer.")

    def _take(self, step: control.Step) -> None:
        if step == "terminate":
            self.terminate("A second stop came after the grace period")
        elif step == "kill":
            self.kill("A further stop came")

    def _say(self, message: str) -> None:
        remedy = "The last complete checkpoint is kept." if "SIGKILL" in message else ""
        self._journal.write(Note(level="warning", message=message, remedy=remedy))
