"""Where cases are played: a model, data, and the undisturbed run that all must end like."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cockpit.core.plan import RunPlan
from cockpit.system import observe, plan_file
from tests.crash.cases import Case
from tests.crash.play import Hang, Play, Setting
from tests.crash.records import Outcome, Reference, Round, weights

UPDATES = 24
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
    steps_per_eval=6,
    save_every=3,
)
LINEAR = {"name": "linear_schedule", "arguments": [1e-3, 1e-5, UPDATES], "warmup": 4}
STEPS = {"name": "step_decay", "arguments": [1e-3, 0.7, 5]}
# Ways of training: moments, schedule and random state of each have to come back.
PLANS: dict[str, RunPlan] = {
    "lora-adamw": PLAN,
    "lora-adamw-linear": PLAN.with_changes(lr_schedule=LINEAR),
    "dora-adafactor-steps": PLAN.with_changes(
        fine_tune_type="dora", optimizer="adafactor", lr_schedule=STEPS
    ),
}


class Stage:
    """A folder with a model and data, in which cases are played one after the other."""

    def __init__(
        self,
        folder: Path,
        model: Path,
        data: Path,
        *,
        patience: float = 2.0,
        plan: RunPlan = PLAN,
    ):
        self.folder = folder
        self._setting = Setting(folder / "asked.toml", patience)
        folder.mkdir(parents=True, exist_ok=True)
        plan_file.write(
            plan.with_changes(model=str(model), data=str(data)), self._setting.plan_path
        )
        self.reference = self._setting.reference = self._undisturbed()

    def play(self, case: Case, *, keep: bool = False) -> Outcome:
        """Plays one case; the folder stays if it went wrong or ``keep``."""
        home = self.folder / f"case-{case.number:03d}"
        play = Play(self._setting, case, home)
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
        """Two at once, as the cases are played; both must be the same."""
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(self._play_alone, (1, 2))
        if first.weights_sha256 != second.weights_sha256 or first.losses != second.losses:
            raise AssertionError("two undisturbed runs differ: nothing can be compared with them")
        return min(first, second, key=lambda reference: reference.seconds)

    def _play_alone(self, number: int) -> Reference:
        play = Play(self._setting, Case(0, ()), self.folder / f"undisturbed-{number}")
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
