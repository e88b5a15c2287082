"""Plays the cases: real cockpits, supervisors and trainers, killed and resumed until the end."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.core.plan import RunPlan
from cockpit.system import checkpoints, observe, plan_file
from cockpit.system.run_dir import RunDir
from tests.crash.cases import Case, Damage, Fault, Kill
from tests.crash.witness import Witness, living

UPDATES = 40
PLAN = RunPlan(
    model="tiny",
    data="tiny",
    iters=UPDATES,
    batch_size=2,
    num_layers=-1,
    max_seq_length=96,
    learning_rate=1e-3,
    optimizer="adamw",
    lora_parameters={"rank": 4, "dropout": 0.1, "scale": 10.0},
    steps_per_report=1,
    steps_per_eval=8,
    save_every=4,
)
FAULTS = Path(__file__).with_name("faults")
ROOT = Path(__file__).parents[2]
# Whatever takes this long hangs, or the machine does.
HANG_SECONDS = 90.0
REFUSED_SECONDS = 0.5
# Of the time of an undisturbed run; after that there is little left to die.
LIVELY_SHARE = 0.85
MOST_ROUNDS = 8


class Hang(Exception):
    """Something never happened; the text says what."""


@dataclass(slots=True)
class Round:
    """One start of a cockpit until nothing of the run lived any more."""

    action: str
    what: str
    resumed_from: int | None = None
    shown: list[str] = field(default_factory=list)
    ended: str = ""
    title: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Outcome:
    """How a case went; without ``problems`` it went as it must."""

    case: Case
    rounds: list[Round] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    weights_sha256: str = ""
    happened: int = 0
    slowest_truth_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reference:
    """The run that nothing happens to."""

    weights_sha256: str
    losses: list[tuple[int, float]]
    seconds: float


class Stage:
    """A folder with a model and data, in which cases are played one after the other."""

    def __init__(self, folder: Path, model: Path, data: Path, *, patience: float = 2.0):
        self.folder = folder
        self.patience = patience
        self.plan_path = folder / "asked.toml"
        folder.mkdir(parents=True, exist_ok=True)
        plan_file.write(PLAN.with_changes(model=str(model), data=str(data)), self.plan_path)
        self.reference = self._undisturbed()

    def play(self, case: Case, *, keep: bool = False) -> Outcome:
        """Plays one case; the folder stays if it went wrong or ``keep``."""
        home = self.folder / f"case-{case.number:03d}"
        play = _Play(self, case, home)
        start = time.monotonic()
        try:
            play.to_the_end()
        except Hang as hang:
            play.outcome.problems.append(f"hang: {hang}")
        except Exception as error:
            play.outcome.problems.append(f"{type(error).__name__}: {error}")
        finally:
            play.end_processes()
        play.outcome.seconds = time.monotonic() - start
        if not keep and not play.outcome.problems:
            shutil.rmtree(home, ignore_errors=True)
        return play.outcome

    def _undisturbed(self) -> Reference:
        """Twice, as the first time everything is read from the disk; both must be the same."""
        first, second = self._play_alone(), self._play_alone()
        if first.weights_sha256 != second.weights_sha256 or first.losses != second.losses:
            raise AssertionError("two undisturbed runs differ: nothing can be compared with them")
        return second

    def _play_alone(self) -> Reference:
        play = _Play(self, Case(0, ()), self.folder / "undisturbed")
        start = time.monotonic()
        try:
            run = play.until_over(play.start("train", None), Round("train", "nothing"))
        finally:
            play.end_processes()
        assert run is not None
        state = observe.current_state(run)
        if state.status != "completed":
            raise AssertionError(f"the undisturbed run: {state.status} {state.end}")
        return Reference(weights(run), list(state.losses), time.monotonic() - start)


class _Play:
    """One case being played in a home of its own."""

    def __init__(self, stage: Stage, case: Case, home: Path):
        self.stage = stage
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
        action, run = "train", None
        for _ in range(MOST_ROUNDS):
            death = deaths.pop(0) if deaths else None
            round = Round(action, str(death or "nothing"))
            self.outcome.rounds.append(round)
            run = self._round(round, run, death)
            if round.ended == "completed":
                break
            saved = run is not None and checkpoints.complete(run)
            if run is not None and saved and damage is not None:
                damage_file(run, damage, self.rng)
                damage = None
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
    def _mark(self) -> Path:
        return self.home / "fault.happened"

    @property
    def _lifted(self) -> Path:
        return self.home / "fault.lifted"

    def start(
        self, action: str, death: Kill | Fault | None, run: RunDir | None = None
    ) -> subprocess.Popen[str]:
        where = self.stage.plan_path if action == "train" or run is None else run.path
        environment = os.environ | {
            "COCKPIT_HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join([str(FAULTS), str(ROOT)]),
            "PYTHONFAULTHANDLER": "1",
        }
        self._lifted.unlink(missing_ok=True)
        if isinstance(death, Fault):
            module = (
                "tests.crash.cockpit" if death.process == "cockpit" else f"cockpit.{death.process}"
            )
            environment["CRASH_FAULT"] = json.dumps(
                {
                    "process": module,
                    "call": death.call,
                    "nth": death.nth,
                    "how": death.how,
                    "under": str(self.home / "runs"),
                    "mark": str(self._mark),
                    "until": str(self._lifted),
                }
            )
        log = (self.home / "cockpit.log").open("a")
        cockpit = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.cockpit", action, str(where), str(self.home)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            cwd=ROOT,
        )
        log.close()
        self._cockpits.append(cockpit)
        return cockpit

    def _kill(self, death: Kill, cockpit: subprocess.Popen[str], start: float) -> None:
        if death.update is None:
            time.sleep(death.share * LIVELY_SHARE * self.stage.reference.seconds)
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
            time.sleep(0.002)
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
            while alive := living(self.home):
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
        deadline = time.monotonic() + self.stage.patience + 0.5
        while time.monotonic() < deadline and not (
            witness.shown and witness.shown[-1] in ("failed", "stopped", "completed")
        ):
            time.sleep(0.05)

    def _witness(self) -> Witness | None:
        run = self._run()
        return Witness(run, self.home, self.stage.patience) if run is not None else None

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
                if answer.get("passed_over"):
                    round.title += "passed over: " + "; ".join(answer["passed_over"])
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

    def _compare(self, run: RunDir) -> None:
        self.outcome.weights_sha256 = weights(run)
        if self.outcome.weights_sha256 != self.stage.reference.weights_sha256:
            self._problem("the weights differ from the undisturbed run's")
        state = observe.current_state(run)
        lost_records = self.case.damage is not None and self.case.damage.file == "./trainer.jsonl"
        # A disk that is full for long may cost events of updates, never updates.
        refused = any(isinstance(d, Fault) and not d.kills for d in self.case.deaths)
        if state.losses != self.stage.reference.losses and not (lost_records or refused):
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


def weights(run: RunDir) -> str:
    """The sha256 of the final adapters."""
    return hashlib.sha256((run.adapters / "adapters.safetensors").read_bytes()).hexdigest()


def announced(run: RunDir) -> list[int]:
    """Updates at which trainers of the newest attempt said that they had saved."""
    path = run.attempts()[-1].trainer_events
    lines = path.read_bytes().splitlines() if path.exists() else []
    updates = []
    for line in lines:
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if event.get("type") == "checkpoint":
                updates.append(event["update"])
    return updates


def damage_file(run: RunDir, damage: Damage, rng: random.Random) -> None:
    """Does to a file what a power cut, a dying disk or cosmic rays do."""
    path = checkpoints.complete(run)[-1] / damage.file
    if damage.file.startswith("./"):
        name = damage.file.removeprefix("./")
        here = run.path / name
        path = (
            here
            if name in ("supervisor.jsonl", "control.jsonl")
            else run.attempts()[-1].path / name
        )
    if not path.exists():
        path.write_bytes(b"")
    content = bytearray(path.read_bytes())
    if damage.manner == "truncated":
        content = content[: rng.randrange(len(content)) if content else 0]
    elif damage.manner == "zeroed":
        content = bytearray(len(content))
    elif content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
