"""One case: a real cockpit, supervisor and trainer, killed and resumed until the run is over."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from cockpit.system import checkpoints, observe
from cockpit.system.run_dir import RunDir
from tests.crash import starting
from tests.crash.cases import Case, Fault, Kill
from tests.crash.damage import inflict
from tests.crash.records import Outcome, Reference, Round, announced, weights
from tests.crash.witness import Witness, living

# Whatever takes this long hangs, or the machine does.
HANG_SECONDS = 90.0
REFUSED_SECONDS = 0.5
# Of the time of an undisturbed run; after that there is little left to die.
LIVELY_SHARE = 0.85
MOST_ROUNDS = 8


class Hang(Exception):
    """Something never happened; the text says what."""


@dataclass(slots=True)
class Setting:
    """What all cases share: the plan that is asked for, how the truth may lag behind, and how
    the undisturbed run went, once that is known."""

    plan_path: Path
    patience: float
    reference: Reference | None = None


class Play:
    """One case being played in a home of its own."""

    def __init__(self, setting: Setting, case: Case, home: Path):
        self.setting = setting
        self.case = case
        self.home = home
        self.outcome = Outcome(case)
        self.rng = random.Random(case.number)
        self._cockpits: list[subprocess.Popen[str]] = []
        self._given_up: set[Path] = set()
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)

    def to_the_end(self) -> None:
        """Death after death, resume after resume; then everything is compared."""
        deaths = list(self.case.deaths)
        damage = self.case.damage
        spoiled: Path | None = None
        action, run = "train", None
        for _ in range(MOST_ROUNDS):
            death = deaths.pop(0) if deaths else None
            round = Round(action, str(death or "nothing"))
            self.outcome.rounds.append(round)
            run = self._round(round, run, death)
            if spoiled is not None:
                self._check_it_was_told(spoiled, round)
                spoiled = None
            if round.ended == "completed":
                break
            saved = run is not None and checkpoints.complete(run)
            if run is not None and saved and damage is not None:
                spoiled, damage = inflict(run, damage, self.rng), None
            action = "resume" if run is not None and saved else "train"
            if action == "train" and run is not None:
                self._given_up.add(run.path)
        else:
            self._problem("it never came to its end")
        if run is not None:
            self._compare(run)

    def _round(self, round: Round, run: RunDir | None, death: Kill | Fault | None) -> RunDir | None:
        start = time.monotonic()
        cockpit = self.start(round.action, death, run)
        if isinstance(death, Kill):
            self._kill(death, cockpit, start)
        run = self.until_over(cockpit, round, death)
        round.seconds = time.monotonic() - start
        if isinstance(death, Fault):
            self.outcome.happened += self._mark.exists()
            self._mark.unlink(missing_ok=True)
        self._read_answers(cockpit, round)
        if run is not None:
            state = observe.current_state(run)
            round.ended = state.status
            said = state.end.title if state.end else ""
            round.title = said or (state.diagnosis.title if state.diagnosis else "")
            if round.ended == "failed" and not round.title:
                self._problem(f"{round.what}: it failed and nothing says why")
            if self.case.damage is None:
                self._check_checkpoints(run, round)
        return run

    @property
    def _reference(self) -> Reference:
        assert self.setting.reference is not None, "the undisturbed run comes first"
        return self.setting.reference

    @property
    def _mark(self) -> Path:
        return self.home / "fault.happened"

    @property
    def _lifted(self) -> Path:
        return self.home / "fault.lifted"

    def start(
        self, action: str, death: Kill | Fault | None, run: RunDir | None = None
    ) -> subprocess.Popen[str]:
        where = self.setting.plan_path if action == "train" or run is None else run.path
        self._lifted.unlink(missing_ok=True)
        fault = death if isinstance(death, Fault) else None
        cockpit = starting.cockpit(
            self.home, action, where, starting.fault(fault, self.home, self._mark, self._lifted)
        )
        self._cockpits.append(cockpit)
        return cockpit

    def _kill(self, death: Kill, cockpit: subprocess.Popen[str], start: float) -> None:
        if death.update is None:
            time.sleep(death.share * LIVELY_SHARE * self._reference.seconds)
        elif self._await_update(death.update, cockpit):
            time.sleep(death.share * 0.02)
        alive = living(self.home)
        for victim in death.victims:
            if victim in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(alive[victim], signal.SIGKILL)
                    self.outcome.happened += 1
                time.sleep(death.gap)

    def _await_update(self, update: int, cockpit: subprocess.Popen[str]) -> bool:
        """False if the run was over before."""
        wanted = b'"type":"update","update":%d,' % update
        deadline = time.monotonic() + HANG_SECONDS
        looked = 0
        while time.monotonic() < deadline:
            for path in self.home.glob("runs/*/attempts/*/trainer.jsonl"):
                if wanted in path.read_bytes():
                    return True
            looked += 1
            if looked % 50 == 0 and not living(self.home):
                return False
            time.sleep(0.005)
        raise Hang(f"update {update}")

    def until_over(
        self,
        cockpit: subprocess.Popen[str],
        round: Round,
        death: Kill | Fault | None = None,
    ) -> RunDir | None:
        """Waits until nothing of the run lives; attaches to a trainer that lost its supervisor."""
        deadline = time.monotonic() + HANG_SECONDS
        refused_since: float | None = None
        witness: Witness | None = None
        try:
            # A process that was only just forked is not yet what it will be.
            while (alive := living(self.home)) or cockpit.poll() is None:
                if time.monotonic() > deadline:
                    raise Hang(f"{round.action}, {round.what}: alive are {sorted(alive)}")
                witness = witness or self._witness()
                if self._mark.exists() and isinstance(death, Fault) and not death.kills:
                    refused_since = refused_since or time.monotonic()
                    if time.monotonic() - refused_since > REFUSED_SECONDS:
                        self._lifted.touch()
                if alive.keys() == {"trainer"}:
                    self._attach(witness)
                time.sleep(0.05)
            self._lifted.touch()
            witness = witness or self._witness()
            if witness is not None:
                self._await_truth(witness)
        finally:
            if witness is not None:
                witness.close()
                self._hear(witness, round)
        return self._run()

    def _attach(self, witness: Witness | None) -> None:
        run = self._run()
        if run is None:
            return
        time.sleep(self.rng.random() * 0.2)
        cockpit = self.start("attach", None, run)
        if cockpit.stdout is not None:
            cockpit.stdout.readline()

    def _await_truth(self, witness: Witness) -> None:
        """Gives a wrong state the time it may have."""
        deadline = time.monotonic() + self.setting.patience + 0.5
        while time.monotonic() < deadline and not (
            witness.shown and witness.shown[-1] in ("failed", "stopped", "completed")
        ):
            time.sleep(0.05)

    def _witness(self) -> Witness | None:
        run = self._run()
        return Witness(run, self.home, self.setting.patience) if run is not None else None

    def _hear(self, witness: Witness, round: Round) -> None:
        round.shown = witness.shown
        self.outcome.slowest_truth_seconds = max(
            self.outcome.slowest_truth_seconds, witness.slowest
        )
        self.outcome.problems += [f"{round.what}: {said}" for said in witness.wrong]

    def _run(self) -> RunDir | None:
        """The run that is being played; one that died before it saved anything is given up."""
        runs = [RunDir(path) for path in (self.home / "runs").glob("*")]
        runs = [run for run in runs if run.path not in self._given_up and run.attempts()]
        return max(runs, key=lambda run: run.plan_path.stat().st_mtime_ns, default=None)

    def _read_answers(self, cockpit: subprocess.Popen[str], round: Round) -> None:
        said, _ = cockpit.communicate()
        for line in said.splitlines():
            with contextlib.suppress(ValueError):
                answer = json.loads(line)
                round.resumed_from = answer.get("resumed", round.resumed_from)
                round.passed_over += answer.get("passed_over", [])
                if "refused" in answer:
                    round.title += f"refused: {answer['refused']} ({answer['message']})"
        log = (self.home / "cockpit.log").read_text()
        if "Traceback" in log:
            self._problem(f"a cockpit failed with a traceback: {log[-800:]}")

    def _check_checkpoints(self, run: RunDir, round: Round) -> None:
        """What was said to be saved is there and whole, and so is the link to it."""
        said = max(announced(run), default=0)
        if not said:
            return
        folder, state, passed_over = checkpoints.newest_whole(run)
        if state.update < said or passed_over:
            self._problem(
                f"{round.what}: lost a checkpoint: {said} was saved, {folder.name} is whole"
            )
        linked = run.adapters.resolve()
        try:
            checkpoints.read(linked)
        except checkpoints.DamagedError as error:
            self._problem(f"{round.what}: adapters are not usable: {error}")

    def _check_it_was_told(self, spoiled: Path, round: Round) -> None:
        """The checkpoint before the damaged one was taken, and why was said."""
        if not any(spoiled.name in said for said in round.passed_over):
            self._problem(f"{spoiled.name} was damaged and nobody was told")
        if round.resumed_from is None or round.resumed_from >= int(spoiled.name):
            self._problem(f"{spoiled.name} was damaged, resumed from {round.resumed_from}")

    def _compare(self, run: RunDir) -> None:
        self.outcome.weights_sha256 = weights(run)
        if self.outcome.weights_sha256 != self._reference.weights_sha256:
            self._problem("the weights differ from the undisturbed run's")
        state = observe.current_state(run)
        lost_records = (
            self.case.damage is not None and self.case.damage.file == "attempt/trainer.jsonl"
        )
        # A disk that is full for long may cost events of updates, never updates.
        refused = any(isinstance(d, Fault) and not d.kills for d in self.case.deaths)
        if state.losses != self._reference.losses and not (lost_records or refused):
            self._problem("the curve differs from the undisturbed run's")
        summary = observe.summary(run)
        if (state.status, summary.status) != ("completed", "completed"):
            self._problem(f"shown as {state.status}, listed as {summary.status}")
        leftovers = [p.name for p in run.checkpoints.iterdir() if p.name.endswith(".partial")]
        if leftovers:
            self._problem(f"left behind: {leftovers}")

    def _problem(self, what: str) -> None:
        self.outcome.problems.append(what)

    def end_processes(self) -> None:
        for pid in living(self.home).values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for cockpit in self._cockpits:
            if cockpit.poll() is None:
                cockpit.kill()
            cockpit.wait()
            if cockpit.stdout is not None:
                cockpit.stdout.close()
