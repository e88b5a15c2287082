"""Fitting the run-ahead constants to a few short real runs on this machine.

What a run is forecast to hold follows from its graph; how far the device schedules ahead is all
that may differ from what MLX's source says. ``python -m cockpit.memory.calibrate`` is the child
that traces: forecasts need mlx, the command line does not have it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.embedded import demo_data_path
from cockpit.errors import CockpitError
from cockpit.memory.backends import RunAhead
from cockpit.memory.calibration import Calibration, run_ahead
from cockpit.system import jsonl, plan_file, run_dir
from cockpit.system.run_dir import RunDir
from cockpit.system.software import installed_version

RUN_SECONDS = 300.0
FIT_SECONDS = 300.0
# Forecasts this close need no other constants.
CLOSE_ENOUGH = 0.003

_WORK = (5, 10, 20, 40, 50, 100)
_TASKS = (2, 5, 10, 20)
_TAIL_BYTES = 64 * 1024

Price = Callable[[RunAhead], list[int]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The constants that forecast the measured peaks best, and the worst error with each."""

    ahead: RunAhead
    error_before: float
    error_after: float


def plans() -> list[RunPlan]:
    """Short runs of the embedded model that hold many small buffers at once."""
    common: dict[str, Any] = {
        "model": "nano",
        "data": str(demo_data_path()),
        "num_layers": -1,
        "max_seq_length": 33,
        "iters": 12,
        "val_batches": 1,
        "keep_best": False,
    }
    shapes: list[dict[str, Any]] = [
        {"batch_size": 8},
        {"batch_size": 32},
        {"batch_size": 16, "lora_parameters": {"rank": 32}},
    ]
    return [RunPlan.model_validate(common | shape) for shape in shapes]


def measure(plan: RunPlan) -> int:
    """The peak of ``plan`` as the real trainer reports it, in bytes; CockpitError if it failed."""
    with tempfile.TemporaryDirectory(prefix="cockpit-calibrate-") as folder:
        run = RunDir(Path(folder) / "run")
        run.path.mkdir()
        plan_file.write(plan, run.plan_path)
        attempt = run_dir.add_attempt(run, plan)
        command = [sys.executable, "-m", "cockpit.trainer", str(run.path), "1"]
        _finish(command, "", RUN_SECONDS)
        _, lines = jsonl.ends(attempt.trainer_events, 0, _TAIL_BYTES)
    ended = [event for line in lines if isinstance(event := ev.parse_event(line), ev.Ended)]
    if not ended or ended[-1].status != "completed" or ended[-1].peak_bytes is None:
        said = ended[-1].message if ended else "the trainer left no last word"
        raise CockpitError(
            "A calibration run failed", said, "See that this works: cockpit demo", exit_code=1
        )
    return ended[-1].peak_bytes


def calibrate(
    profile: HardwareProfile,
    say: Callable[[str], None],
    asked: Sequence[RunPlan] | None = None,
) -> Calibration:
    """Runs ``asked`` (``plans()`` unless given) for real, fits the constants, and saves nothing."""
    chosen = plans() if asked is None else list(asked)
    measured = []
    for number, plan in enumerate(chosen, 1):
        say(f"{number}/{len(chosen)} training {plan.iters} steps ...")
        measured.append(measure(plan))
    say("fitting the forecast to them ...")
    fitted = fit_in_child(profile, chosen, measured)
    return Calibration(
        backend=profile.backend,
        chip=profile.chip or profile.title,
        mlx=installed_version("mlx") or "",
        work_per_task=fitted["work_per_task"],
        outstanding_tasks=fitted["outstanding_tasks"],
        error_before=fitted["error_before"],
        error_after=fitted["error_after"],
    )


def fit_in_child(
    profile: HardwareProfile, asked: Sequence[RunPlan], measured: Sequence[int]
) -> dict[str, Any]:
    """``fit_constants`` in a process of its own, which is gone afterwards."""
    request = {
        "plans": [plan.model_dump(mode="json", exclude_unset=True) for plan in asked],
        "measured": list(measured),
        "ahead": asdict(run_ahead(profile.backend, profile.chip)),
    }
    command = [sys.executable, "-m", "cockpit.memory.calibrate"]
    done = _finish(command, json.dumps(request), FIT_SECONDS)
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        said = done.stderr.strip().splitlines()
        raise CockpitError(
            "The calibration could not be fitted", said[-1] if said else "", exit_code=1
        ) from error
    return answer


def fit_constants(price: Price, measured: Sequence[int], start: RunAhead) -> Fitted:
    """The constants near ``start`` whose forecasts come closest to what was measured.

    One constant is searched at a time, and the other again after it. ``start`` stays unless
    another is closer.
    """
    known: dict[tuple[int, int], float] = {}

    def error(ahead: RunAhead) -> float:
        key = (ahead.work_per_task, ahead.outstanding_tasks)
        if key not in known:
            pairs = zip(price(ahead), measured, strict=True)
            known[key] = max((forecast / peak - 1 for forecast, peak in pairs), key=abs)
        return known[key]

    best, before = start, error(start)
    for vary in (_vary_tasks, _vary_work, _vary_tasks):
        if abs(error(best)) <= CLOSE_ENOUGH:
            break
        best = min([best, *vary(best)], key=lambda ahead: abs(error(ahead)))
    return Fitted(best, before, error(best))


def _vary_tasks(ahead: RunAhead) -> list[RunAhead]:
    return [replace(ahead, outstanding_tasks=tasks) for tasks in _TASKS]


def _vary_work(ahead: RunAhead) -> list[RunAhead]:
    return [replace(ahead, work_per_task=work) for work in _WORK]


def tracer(asked: Sequence[RunPlan]) -> Price:
    """Forecast peaks of ``asked`` for given constants. Imports mlx."""
    from mlx_lm.utils import load_tokenizer

    from cockpit import embedded
    from cockpit.memory import build
    from cockpit.memory.lengths import of_data
    from cockpit.memory.trace import Trained, trace
    from cockpit.trainer import data

    folder = embedded.nano_path()

    def shapes() -> Iterator[Any]:
        for plan in asked:
            loaded = data.load(plan, load_tokenizer(folder), lambda _: None)
            valid = list(map(int, loaded.valid.lengths))
            yield of_data(plan, list(map(int, loaded.train.lengths)), valid)

    batches = list(shapes())

    def price(ahead: RunAhead) -> list[int]:
        peaks = []
        for plan, batch in zip(asked, batches, strict=True):
            model = build.from_folder(folder, plan)
            where = Trained(ahead.backend, ahead=ahead)
            peaks.append(trace(model, plan, batch.train, batch.valid, where).forecast.peak_bytes)
        return peaks

    return price


def _finish(command: list[str], text: str, seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CockpitError(
            "The calibration took too long", f"over {seconds:g} s", exit_code=1
        ) from error


def main() -> None:
    request = json.load(sys.stdin)
    asked = [RunPlan.model_validate(fields) for fields in request["plans"]]
    start = RunAhead(**request["ahead"])
    fitted = fit_constants(tracer(asked), request["measured"], start)
    answer = {
        "work_per_task": fitted.ahead.work_per_task,
        "outstanding_tasks": fitted.ahead.outstanding_tasks,
        "error_before": fitted.error_before,
        "error_after": fitted.error_after,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
