"""One supervisor's life: take charge of a trainer, watch it to its end, say how it ended."""

from __future__ import annotations

import os
import time
from collections import deque

from cockpit.core import events as ev
from cockpit.core.diagnosis import diagnose
from cockpit.core.plan import GuardMode
from cockpit.core.samples import MemorySample
from cockpit.errors import CockpitError
from cockpit.supervisor import recovery, takeover, trainer_process
from cockpit.supervisor.guard import MemoryGuard
from cockpit.supervisor.hang import HangWatch
from cockpit.supervisor.journal import Journal
from cockpit.supervisor.progress import Progress
from cockpit.supervisor.sampling import SampleJournal
from cockpit.supervisor.slowdown import Slowdown
from cockpit.supervisor.stops import Stops
from cockpit.supervisor.takeover import Charge
from cockpit.supervisor.trainer_process import Exit, Trainer
from cockpit.supervisor.wakeup import Wakeup
from cockpit.system import history, liveness, log_tail, process
from cockpit.system.asked import beginning
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
        self._counted: str | None = None

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
            self._stay(charge, trainer)
        self.journal.write(ev.SupervisorEnded())

    def _stay(self, charge: Charge, trainer: Trainer | None) -> None:
        """Watches the trainer, and those of the attempts that recover from a lack of memory."""
        ended = charge.past is not None and not charge.past.exited
        while trainer is not None or ended:
            if trainer is not None:
                self._watch(charge.attempt, trainer)
            following = recovery.next_attempt(self.run, charge.attempt, self.journal, self.wakeup)
            if following is None:
                return
            charge, ended = Charge(following), False
            trainer = self._take_charge(charge)

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
        recovery.announce(self.journal, charge.attempt)
        return trainer

    def _watch(self, attempt: AttemptDir, trainer: Trainer) -> None:
        """Once a second everything; in between, while memory moves fast, memory alone."""
        self._recent.clear()
        stops = Stops(self.run, trainer, self.journal, beginning(attempt))
        mode, examples, cut_at = _of_plan(self.run, attempt)
        progress = Progress(attempt.trainer_events, examples, cut_at)
        guard = MemoryGuard(self.run, attempt, progress, stops, self.journal, self._sensors, mode)
        hang = HangWatch(attempt, progress, stops, self.journal)
        slowdown = Slowdown(self.run, attempt, progress, self.journal)
        passed_on = False
        due = time.monotonic()
        while (exit := trainer.exit()) is None:
            if self.wakeup.asked_to_end and not passed_on:
                passed_on = True
                stops.terminate("The supervisor was asked to end")
            if time.monotonic() >= due:
                due = time.monotonic() + TICK_SECONDS
                stops.follow()
                self._keep(guard.read())
                hang.look()
                slowdown.look()
            else:
                guard.glance()
            left = due - time.monotonic()
            self.wakeup.wait(min(left, guard.seconds_to_next_look or left))
        progress.follow()
        slowdown.say()
        self._samples.flush()
        self._write_exit(attempt, exit, stops=stops, guard=guard, hang=hang)

    def _keep(self, sample: MemorySample) -> None:
        if self._sensors.counted != self._counted:
            # A launcher moved the trainer to another cgroup, whose kills are counted on their own.
            self._counted = self._sensors.counted
            self._recent.clear()
        self._recent.append(sample)
        self._samples.add(ev.MemorySampled(sample=sample))

    def _write_unseen_exit(self, attempt: AttemptDir, trainer: Identity) -> None:
        """Of a trainer that died while no supervisor lived."""
        last = history.last_event_at(attempt)
        if history.last_word(attempt) is None and liveness.restarted(trainer, last):
            exited = ev.TrainerExited(attempt=attempt.number, diagnosis=liveness.RESTARTED)
            self.journal.write(exited)
        else:
            self._write_exit(attempt, Exit())

    def _write_exit(
        self,
        attempt: AttemptDir,
        exit: Exit,
        *,
        stops: Stops | None = None,
        guard: MemoryGuard | None = None,
        hang: HangWatch | None = None,
    ) -> None:
        oom_kills = self._oom_kills(stops.trainer_pid if stops else None)
        if guard is not None and (glance := guard.last_glance()) is not None:
            self._recent.append(glance.sample)
            self.journal.write(glance)
        diagnosis = None
        if history.last_word(attempt) is None:
            diagnosis = diagnose(
                exit_code=exit.code,
                signal=exit.signal,
                log_tail=log_tail.read(attempt.log, LOG_LINES),
                samples=list(self._recent),
                oom_kills_delta=oom_kills,
                signals_sent=stops.signals_sent if stops else (),
                address_space_bytes=guard.address_space_bytes if guard else None,
                address_space_reasons=guard.reasons() if guard else (),
                hang=hang.found if hang else None,
            )
        self.journal.write(
            ev.TrainerExited(
                attempt=attempt.number,
                exit_code=exit.code,
                signal=exit.signal,
                diagnosis=diagnosis,
                high_water_bytes=_high_water(exit, guard),
            )
        )

    def _oom_kills(self, trainer_pid: int | None) -> int | None:
        """How far the kernel's counter moved in the last readings; None if it is not known."""
        now = self._sensors.read(trainer_pid).oom_kills
        before = self._recent[0].oom_kills if self._recent else None
        if now is None or before is None:
            return None
        # A trainer that was read but once may have been moved to another cgroup since.
        return now - before if now > before or len(self._recent) > 1 else None

    def _write_failed_start(self, number: int, error: CockpitError) -> None:
        diagnosis = ev.Diagnosis(
            kind="not_started",
            title=error.title,
            evidence=(error.message,),
            remedy=error.remedy,
        )
        self.journal.write(ev.TrainerExited(attempt=number, diagnosis=diagnosis))


def _of_plan(run: RunDir, attempt: AttemptDir) -> tuple[GuardMode, int, int | None]:
    """What the guard may do, how many examples an update holds, and where they are cut."""
    try:
        plan = run.plan_of(attempt)
    except (CockpitError, OSError):
        # The trainer will say what is wrong with it.
        return "stop", 1, None
    cut_at = plan.max_seq_length if plan.long_examples == "cut" else None
    return plan.guard, plan.examples_per_update, cut_at


def _high_water(exit: Exit, guard: MemoryGuard | None) -> int | None:
    """The most it took, by the kernel's figure less pages of files, which it can drop.

    One that crashed for want of a buffer wanted more than it took, so there they stay in.
    """
    most = exit.high_water_bytes
    if most is None or guard is None or exit.signal != "SIGKILL":
        return most
    return max(0, most - (guard.peaks.now.file_bytes or 0))
