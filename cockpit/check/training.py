"""Training ten iterations and resuming in the middle, by the trainer's own process.

The run directory lies in the check's own folder, so no check shows in the list of runs.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.check.client import StageError, how_it_ended
from cockpit.core import events as ev
from cockpit.core.diagnosis import recognise
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.memory import verdicts
from cockpit.system import log_tail, plan_file, resume, run_dir
from cockpit.system.run_dir import AttemptDir, RunDir

ITERATIONS = 10
RESUMED_AFTER = 5
_LOG_LINES = 5
# Between attempts, relative: MLX on the CPU repeats itself to the bit, a GPU may not.
_TOLERANCE = 1e-3

_PLACES = ("field", "barn", "river", "village", "market", "forest", "harbour", "garden")
_ACTS = ("sleeps under a tree", "looks for its friend", "eats an apple", "sings all morning")
_ANIMALS = ("cow", "dog", "cat", "horse", "goose", "goat")


@dataclass(frozen=True, slots=True)
class Resumed:
    """How much the losses after a resume differ from those without; 0 is to the bit."""

    difference: float


def write_data(folder: Path) -> None:
    """A few dozen short texts: any tokenizer takes them, with a chat template or without."""
    folder.mkdir(parents=True)
    texts = [
        f"In the {place} a {animal} {act}. The {animal} is {word}."
        for number, place in enumerate(_PLACES)
        for animal, act in zip(_ANIMALS, _ACTS * 2, strict=False)
        for word in (("old", "young", "brown")[number % 3],)
    ]
    lines = [json.dumps({"text": text}) + "\n" for text in texts]
    (folder / "train.jsonl").write_text("".join(lines[:-4]))
    (folder / "valid.jsonl").write_text("".join(lines[-4:]))


def make_run(folder: Path, model: Path, data: Path, fields: dict[str, Any]) -> RunDir:
    """A run of ten iterations, not started; the plan gets the keys its family needs."""
    plan = RunPlan.model_validate(
        {
            "model": str(model),
            "data": str(data),
            "iters": ITERATIONS,
            "save_every": RESUMED_AFTER,
            "keep_best": False,
            "steps_per_eval": ITERATIONS,
            "val_batches": 1,
            "steps_per_report": 1,
        }
        | fields
    )
    plan = verdicts.with_needed_keys(plan)
    run = RunDir(folder)
    run.path.mkdir(parents=True)
    plan_file.write(plan, run.plan_path)
    run_dir.add_attempt(run, plan)
    return run


def train(run: RunDir, timeout_seconds: float) -> list[float]:
    """The losses of the first attempt's updates; raises StageError."""
    losses = [event.loss for event in _trained(run, run.attempt(1), timeout_seconds)]
    if len(losses) != ITERATIONS or not all(map(math.isfinite, losses)):
        raise StageError(f"the losses are {losses}")
    return losses


def go_on(run: RunDir, losses: list[float], timeout_seconds: float) -> Resumed:
    """Resumes from the checkpoint in the middle and compares what follows; raises StageError."""
    try:
        prepared = resume.prepare(run, from_update=RESUMED_AFTER)
        prepared.raise_refusal()
        attempt = resume.begin(run, 1, prepared.plan, None, prepared.request, launch=False)
    except CockpitError as error:
        raise StageError(f"{error.title}: {error.message}") from error
    again = {event.update: event.loss for event in _trained(run, attempt, timeout_seconds)}
    wanted = range(RESUMED_AFTER + 1, ITERATIONS + 1)
    if list(again) != list(wanted):
        raise StageError(f"it went on with the updates {list(again)}")
    differences = [abs(again[n] - losses[n - 1]) / abs(losses[n - 1]) for n in wanted]
    worst = max(differences)
    if not worst <= _TOLERANCE:
        raise StageError(f"the losses after it differ by {worst:.1%} from those without it")
    return Resumed(worst)


def _trained(run: RunDir, attempt: AttemptDir, timeout_seconds: float) -> list[ev.Updated]:
    command = [sys.executable, "-m", "cockpit.trainer", str(run.path), str(attempt.number)]
    with attempt.log.open("ab") as log:
        try:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                timeout=timeout_seconds,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise StageError(f"the trainer did not answer in {timeout_seconds:.0f} s") from None
    events = list(_events(attempt))
    if code:
        raise StageError(_why(events, attempt, code))
    return [event for event in events if isinstance(event, ev.Updated)]


def _events(attempt: AttemptDir) -> Iterator[Any]:
    try:
        lines = attempt.trainer_events.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        if (event := ev.parse_event(line)) is not None:
            yield event


def _why(events: list[Any], attempt: AttemptDir, code: int) -> str:
    end = next((e for e in reversed(events) if isinstance(e, ev.Ended)), None)
    if end is not None:
        return "\n".join(part for part in (end.title, end.message) if part)
    last = log_tail.read(attempt.log, _LOG_LINES)
    if (known := recognise(last)) is not None:
        return f"{known[0].title}: {known[1]}"
    return "\n".join([f"the trainer {how_it_ended(code)}", *last])
