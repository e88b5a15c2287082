"""A run that is resumed is the run that was never interrupted: to the bit, at any update."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from cockpit.core import events as ev
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]

COSINE = {"name": "cosine_decay", "arguments": [1e-3, 8], "warmup": 2}
DROPOUT = {"rank": 4, "dropout": 0.3, "scale": 10.0}
DEMANDING: dict[str, Any] = {
    "optimizer": "adamw",
    "optimizer_config": {"adamw": {"weight_decay": 0.1, "bias_correction": True}},
    "grad_accumulation_steps": 2,
    "lora_parameters": DROPOUT,
    "lr_schedule": COSINE,
}
STEPS = {"name": "step_decay", "arguments": [1e-3, 0.5, 2]}
EXPONENTIAL = {"name": "exponential_decay", "arguments": [1e-3, 0.8]}
LINEAR = {"name": "linear_schedule", "arguments": [1e-3, 1e-5, 6]}
MATRIX: dict[str, dict[str, Any]] = {
    "lora-adam-steps-dropout": {"lr_schedule": STEPS, "lora_parameters": DROPOUT},
    "lora-muon-cosine-accumulation": {
        "optimizer": "muon", "lr_schedule": COSINE, "grad_accumulation_steps": 2
    },
    "lora-adafactor-linear-dropout-checkpointing": {
        "optimizer": "adafactor", "lr_schedule": LINEAR, "lora_parameters": DROPOUT,
        "grad_checkpoint": True,
    },
    "lora-adamw-linear-warmup-dropout": {
        "optimizer": "adamw", "lr_schedule": LINEAR | {"warmup": 2}, "lora_parameters": DROPOUT
    },
    "lora-adamw-steps": {"optimizer": "adamw", "lr_schedule": STEPS},
    "dora-adam-exponential-dropout": {
        "fine_tune_type": "dora", "lr_schedule": EXPONENTIAL, "lora_parameters": DROPOUT
    },
    "dora-adamw-cosine-accumulation": {
        "fine_tune_type": "dora", "optimizer": "adamw", "lr_schedule": COSINE,
        "grad_accumulation_steps": 3, "batch_size": 1,
    },
    "dora-muon-linear": {"fine_tune_type": "dora", "optimizer": "muon", "lr_schedule": LINEAR},
    "dora-adafactor-steps-dropout": {
        "fine_tune_type": "dora", "optimizer": "adafactor", "lr_schedule": STEPS,
        "lora_parameters": DROPOUT,
    },
    "full-adam-cosine": {"fine_tune_type": "full", "lr_schedule": COSINE},
    "full-adamw-steps-accumulation": {
        "fine_tune_type": "full", "optimizer": "adamw", "lr_schedule": STEPS,
        "grad_accumulation_steps": 2,
    },
    "full-muon-exponential": {
        "fine_tune_type": "full", "optimizer": "muon", "lr_schedule": EXPONENTIAL
    },
    "full-adafactor-cosine": {
        "fine_tune_type": "full", "optimizer": "adafactor", "lr_schedule": COSINE
    },
    "lora-adamw-chunks-dropout": {
        "optimizer": "adamw", "loss_chunks": 3, "lora_parameters": DROPOUT,
    },
    "lora-sgd-momentum": {"optimizer": "sgd", "optimizer_config": {"sgd": {"momentum": 0.9}}},
}  # fmt: skip


def straight(prepare: Prepare, updates: int, **fields: Any) -> Training:
    """A run that keeps the checkpoint of every update."""
    every = fields.get("grad_accumulation_steps", 1)
    fields = {"num_layers": 2, "steps_per_eval": 2 * every} | fields
    training = prepare(iters=updates * every, save_every=every, keep_last=updates, **fields)
    assert train(training) == 0
    return training


def train(training: Training) -> int:
    """In this process, unless mlx-lm's checkpointing would patch the model class for all."""
    if training.run.plan().grad_checkpoint:
        return training.start().wait()
    return training.here()


def check_resume(whole: Training, update: int) -> None:
    """Resumes in the whole run's own directory and compares everything it does."""
    final = whole.run.checkpoints / f"{len(whole.losses):07d}"
    wanted = arrays(final)
    rest = whole.again(f"{update:07d}")
    assert train(rest) == 0
    assert arrays(final) == wanted
    compared = ("update", "epoch", "loss", "learning_rate", "trained_tokens", "grad_norm")
    assert told(rest, ev.Updated, compared) == told(whole, ev.Updated, compared)[update:]
    curve = told(whole, ev.Validated, ("update", "loss", "best"))
    assert told(rest, ev.Validated, ("update", "loss", "best")) == [
        point for point in curve if point[0] > update
    ]
    assert rest.one(ev.Started).update == update


def arrays(checkpoint: Path) -> dict[str, bytes]:
    """Every array of weights and optimizer, bit by bit; their order in the file is no matter."""
    loaded = [mx.load(str(path)) for path in sorted(checkpoint.glob("*.safetensors"))]
    assert len(loaded) == 2
    return {name: bytes(memoryview(value)) for part in loaded for name, value in part.items()}


def told(training: Training, kind: type[ev.Record], fields: tuple[str, ...]) -> list[Any]:
    return [tuple(getattr(event, name) for name in fields) for event in training.events(kind)]


def test_at_every_update_of_a_demanding_run(prepare: Prepare) -> None:
    whole = straight(prepare, 8, sample_prompts=("one red",), **DEMANDING)
    for update in range(7, 0, -1):
        check_resume(whole, update)


@pytest.mark.parametrize("name", MATRIX)
def test_whatever_is_trained_however(prepare: Prepare, name: str) -> None:
    check_resume(straight(prepare, 5, **MATRIX[name]), 1 + list(MATRIX).index(name) % 4)


def test_a_chain_of_resumes_is_one_run(prepare: Prepare) -> None:
    whole = straight(prepare, 6, **DEMANDING)
    weights = (whole.run.adapters / "adapters.safetensors").read_bytes()
    part = prepare(iters=2, save_every=2, keep_last=6, num_layers=2, steps_per_eval=4, **DEMANDING)
    losses = []
    for updates in range(1, 7):
        # Each attempt extends the run by one update: two micro-batches.
        part = part.again(f"{updates - 1:07d}", iters=2 * updates) if updates > 1 else part
        assert part.here() == 0
        losses += part.losses
    assert losses == whole.losses
    assert (part.run.adapters / "adapters.safetensors").read_bytes() == weights


def test_a_validation_that_a_stop_broke_off_is_made_up_for(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cockpit.trainer import loop

    fields: dict[str, Any] = {"iters": 6, "save_every": 100, "steps_per_eval": 2}
    whole = prepare(**fields)
    assert whole.here() == 0
    broken = prepare(**fields)
    validate = loop.Loop.validate

    def stop_inside(self: loop.Loop) -> None:
        if self.progress.update == 4:
            broken.send("stop")
        validate(self)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Loop, "validate", stop_inside)
        assert broken.here() == 0
    assert [e.update for e in broken.events(ev.Validated)] == [0, 2]
    rest = broken.again("0000004")
    assert rest.here() == 0
    curve = told(broken, ev.Validated, ("update", "loss")) + told(
        rest, ev.Validated, ("update", "loss")
    )
    assert curve == told(whole, ev.Validated, ("update", "loss"))
