"""One supervisor's life: take charge of a trainer, watch it to its end, say how it ended."""

from __future__ import annotations

import os
import resource
import time
from collections import deque
from collections.abc import Sequence

from cockpit.core import events as ev
from cockpit.core.diagnosis import diagnose
from cockpit.core.samples import MemorySample
from cockpit.errors import CockpitError
from cockpit.supervisor import takeover, trainer_process
from cockpit.supervisor.journal import Journal
from cockpit.supervisor.sampling import SampleJournal
from cockpit.supervisor.stops import Stops
from cockpit.supervisor.takeover import Charge
from cockpit.supervisor.trainer_process import Exit, Trainer
from cockpit.supervisor.wakeup import Wakeup
from cockpit.system import control, history, liveness, log_tail, process
from cockpit.system.power import KeepAwake
from cockpit.system.process import Identity
from cockpit.system.run_dir import AttemptDir, RunDir
from cockpit.system.sensors import Sensors

TICK_SECONDS = 1.0
# The kernel's counter moves before a big process is gone, so look this far back for the step.
RECENT_READINGS = 30
LOG_LINES = 50


class Guardian:
    """Holds the run's lock and is the only writer of its supervisor.jsonl."""

    def __init__(self, run: RunDir, wakeup: Wakeup):
        self.run = run
        self.wakeup = wakeup
        self.journal = Journal(run.supervisor_events)
        self._samples = SampleJournal(self.journal)
        self._sensors = Sensors()
        self._recent: deque[MemorySample] = deque(maxlen=RECENT_READINGS)

    def run_to_the_end(self) -> None:
        """Returns when the trainer has ended and everything about it is written."""
        charge = takeover.find(self.run)
        with KeepAwake(f"training run {self.run.name}") as awake:
            pid, created = process.identity(os.getpid()) or (os.getpid(), time.time())
            self.journal.write(
                ev.SupervisorStarted(pid=pid, pid_created=created, keep_awake=awake.method)
            )
            trainer = self._take_charge(charge)
            if awake.method is None:
                self.journal.write(ev.Note(message=f"The machine may sleep: {awake.reason}"))
            if trainer is not None:
                self._watch(charge.attempt, trainer)
        self.journal.write(ev.SupervisorEnded())

    def _take_charge(self, charge: Charge) -> Trainer | None:
        """The trainer to watch; None where there is none, after writing why."""
        number = charge.attempt.number
        trainer = charge.trainer
        if trainer is not None:
            message = f"Attempt {number} was found training and is watched again."
            self.journal.write(ev.Note(message=message))
        elif charge.past is not None:
            if not charge.past.exited:
                self._write_unseen_exit(charge.attempt, charge.past.trainer)
            return None
        else:
            try:
                trainer = trainer_process.start(self.run, charge.attempt)
            except CockpitError as error:
                self._write_failed_start(number, error)
                return None
        pid, created = trainer.who
        self.journal.write(ev.TrainerStarted(attempt=number, pid=pid, pid_created=created))
        return trainer

    def _watch(self, attempt: AttemptDir, trainer: Trainer) -> None:
        stops = Stops(self.run, trainer, self.journal, control.asked_since(attempt))
        passed_on = False
        due = time.monotonic()
        while (exit := trainer.exit()) is None:
            if self.wakeup.asked_to_end and not passed_on:
                passed_on = True
                stops.terminate("The supervisor was asked to end")
            if time.monotonic() >= due:
                due = time.monotonic() + TICK_SECONDS
                self._sample(trainer)
                stops.follow()
            self.wakeup.wait(due - time.monotonic())
        self._samples.flush()
        self._write_exit(attempt, exit, stops.signals_sent)

    def _sample(self, trainer: Trainer) -> None:
        sample = self._sensors.read(trainer.who[0])
        self._recent.append(sample)
        self._samples.add(ev.MemorySampled(sample=sample))

    def _write_unseen_exit(self, attempt: AttemptDir, trainer: Identity) -> None:
        """Of a trainer that died while no supervisor lived."""
        last = history.last_event_at(attempt)
        if history.last_word(attempt) is None and liveness.restarted(trainer, last):
            exited = ev.TrainerExited(attempt=attempt.number, diagnosis=liveness.RESTARTED)
            self.journal.write(exited)
        else:
            self._write_exit(attempt, Exit(), ())

    def _write_exit(self, attempt: AttemptDir, exit: Exit, signals_sent: Sequence[str]) -> None:
        diagnosis = None
        if history.last_word(attempt) is None:
            diagnosis = diagnose(
                exit_code=exit.code,
                signal=exit.signal,
                log_tail=log_tail.read(attempt.log, LOG_LINES),
                samples=list(self._recent),
                oom_kills_delta=self._oom_kills(),
                signals_sent=signals_sent,
                address_space_bytes=_address_space_bytes(),
            )
        self.journal.write(
            ev.TrainerExited(
                attempt=attempt.number,
                exit_code=exit.code,
                signal=exit.signal,
                diagnosis=diagnosis,
            )
        )

    def _oom_kills(self) -> int | None:
        """How far the kernel's counter moved in the last readings; None if it is not known."""
        now = self._sensors.read().oom_kills
        before = self._recent[0].oom_kills if self._recent else None
        return now - before if now is not None and before is not None else None

    def _write_failed_start(self, number: int, error: CockpitError) -> None:
        diagnosis = ev.Diagnosis(
            kind="not_started",
            title=error.title,
            evidence=(error.message,),
            remedy=error.remedy,
        )
        self.journal.write(ev.TrainerExited(attempt=number, diagnosis=diagnosis))


def _address_space_bytes() -> int | None:
    """The limit that the trainer inherits from here (``ulimit -v``), or None."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit
