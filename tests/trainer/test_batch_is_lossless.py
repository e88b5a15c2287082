"""Halving the batch and doubling the accumulation is the same training: recovery's first rung."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from cockpit.core import events as ev
from cockpit.core.continuation import is_lossless
from cockpit.core.plan import RunPlan
from cockpit.system import resume, run_dir
from cockpit.trainer import loading, optimizer
from cockpit.trainer.evaluate import evaluate
from cockpit.trainer.ranks import Ranks
from cockpit.trainer.step import UpdateStep
from tests.trainer.conftest import Training, sentence, write_model

Prepare = Callable[..., Training]

UPDATES = 20
VALIDATED = 16
SPLITS = [(8, 1), (4, 2), (2, 4), (1, 8)]


@pytest.fixture(params=["whole text", "answers only"])
def train(request: pytest.FixtureRequest, prepare: Prepare, tmp_path: Path) -> Prepare:
    """Runs of examples from two words to over max_seq_length, in both ways to learn from them."""
    folder, rng = tmp_path / "ragged", random.Random(11)
    folder.mkdir()
    for name, examples in (("train", 70), ("valid", 30)):
        sizes = [rng.choice((rng.randint(1, 4), rng.randint(5, 40))) for _ in range(examples)]
        lines = [json.dumps(example(size, rng)) for size in sizes]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    fields: dict[str, Any] = {
        "model": str(write_model(tmp_path / "small", num_hidden_layers=2)),
        "data": str(folder),
        "mask_prompt": request.param == "answers only",
        "max_seq_length": 48,
        "optimizer": "adamw",
        # At three times the rate a start that is off by a last bit differs by 2e-5 as well.
        "lr_schedule": {"name": "cosine_decay", "arguments": [3e-4, UPDATES], "warmup": 4},
    }

    def run(**changes: Any) -> Training:
        training = prepare(**fields | changes)
        assert training.here() == 0, training.log
        return training

    return run


def example(size: int, rng: random.Random) -> dict[str, str]:
    return {"prompt": sentence(rng.randint(1, 6), rng), "completion": sentence(size, rng)}


def split(batch_size: int, accumulation: int) -> dict[str, int]:
    return {
        "batch_size": batch_size,
        "grad_accumulation_steps": accumulation,
        "iters": UPDATES * accumulation,
        "val_batches": VALIDATED // batch_size,
        "steps_per_eval": 5 * accumulation,
        "save_every": 5 * accumulation,
    }


def validations(training: Training) -> list[float]:
    return [event.loss for event in training.events(ev.Validated)]


def goes_on(training: Training, batch_size: int, accumulation: int, updates: int) -> Training:
    """The run in other batches from here on, as a resume plans it."""
    changes = {"batch_size": batch_size, "grad_accumulation_steps": accumulation}
    prepared = resume.prepare(training.run, changes | {"iters": updates * accumulation})
    assert prepared.refused == ()
    assert prepared.plan.val_batches == VALIDATED // batch_size
    before = training.run.attempt(training.number).plan()
    assert is_lossless(before, prepared.plan.with_changes(iters=before.iters))
    request = prepared.request.model_dump(mode="json")
    attempt = run_dir.add_attempt(training.run, prepared.plan, resume=request)
    rest = Training(training.run, attempt.number)
    assert rest.here() == 0, rest.log
    return rest


def test_every_split_of_the_batch_learns_the_same_also_from_the_middle_on(train: Prepare) -> None:
    whole = train(**split(*SPLITS[0]))
    curve = validations(whole)
    assert len(whole.losses) == UPDATES and len(curve) == 5
    assert whole.losses[-1] < whole.losses[0] - 0.5
    for sizes in SPLITS[1:]:
        other = train(**split(*sizes))
        assert other.losses == pytest.approx(whole.losses, abs=1e-5)
        assert validations(other) == pytest.approx(curve, abs=1e-5)

    part = train(**split(*SPLITS[0]) | {"iters": 5})
    losses, measured = part.losses, validations(part)
    for updates, sizes in zip((10, 15, 20), SPLITS[1:], strict=True):
        part = goes_on(part, *sizes, updates)
        losses += part.losses
        measured += validations(part)
    assert losses == pytest.approx(whole.losses, abs=1e-5)
    assert measured == pytest.approx(curve, abs=1e-5)


def test_an_example_without_a_token_to_learn_counts_for_nothing_alone_or_in_company(
    model: Path,
) -> None:
    """Chat templates make such ones: an empty answer is shorter than what asks for it."""
    plan = RunPlan.model_validate({"model": str(model), "data": "d", "num_layers": -1})
    tokens = mx.array([[5, 6, 7, 8, 0, 0], [9, 10, 11, 12, 0, 0]])
    bounds = mx.array([[1, 4], [5, 4]])
    found = []
    for size in (2, 1):
        loaded = loading.load(model, plan).model
        loading.prepare(loaded, plan)
        step = UpdateStep(loaded, optimizer.build(plan), Ranks())
        parts = [(tokens[i : i + size], bounds[i : i + size]) for i in range(0, 2, size)]
        result = step(parts)
        measured = evaluate(loaded, parts, Ranks())
        assert measured is not None and measured[1] == result.tokens == 4
        found.append([result.loss, result.grad_norm, measured[0]])
    assert found[1] == pytest.approx(found[0], abs=1e-5)
