"""The same batches give the same losses as ``mlx_lm.tuner.trainer.train``."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.tuner import trainer as mlx_lm_trainer
from mlx_lm.tuner.callbacks import TrainingCallback

from cockpit.core.plan import RunPlan
from cockpit.trainer import data, loading, optimizer
from cockpit.trainer.batches import update_batches
from cockpit.trainer.order import Order
from cockpit.trainer.ranks import Ranks
from tests.trainer.conftest import WORDS, Training, write_data

Prepare = Callable[..., Training]


class Losses(TrainingCallback):  # type: ignore[misc]
    def __init__(self) -> None:
        self.losses: list[float] = []
        self.tokens = 0

    def on_train_loss_report(self, train_info: dict[str, Any]) -> None:
        self.losses.append(train_info["train_loss"])
        self.tokens = train_info["trained_tokens"]


def mlx_lm_losses(plan: RunPlan, folder: Path) -> Losses:
    """What mlx-lm's own loop reports, once an update, on the batches the cockpit would make."""
    loaded = loading.load(Path(plan.model), plan)
    train = data.load(plan, loaded.tokenizer).train
    loading.prepare(loaded.model, plan)
    order = Order(train.lengths, plan.examples_per_update, plan.seed)

    def batches(**_: Any) -> Iterator[tuple[mx.array, mx.array]]:
        for update in range(plan.updates):
            yield from update_batches(train, order.examples(update), plan, Ranks())

    heard = Losses()
    mlx_lm_trainer.train(
        loaded.model,
        optimizer.build(plan),
        train,
        args=mlx_lm_trainer.TrainingArgs(
            batch_size=plan.batch_size,
            iters=plan.iters,
            steps_per_report=plan.grad_accumulation_steps,
            grad_accumulation_steps=plan.grad_accumulation_steps,
            adapter_file=str(folder / "adapters.safetensors"),
        ),
        iterate_batches=batches,
        training_callback=heard,
    )
    return heard


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"optimizer": "adamw", "lora_parameters": {"rank": 4, "dropout": 0.2, "scale": 10.0}},
        {"fine_tune_type": "dora", "num_layers": 2, "optimizer": "sgd"},
        {"fine_tune_type": "full", "num_layers": 2, "optimizer": "adafactor"},
        {"optimizer": "muon", "lora_parameters": {"keys": ["self_attn.q_proj"]}},
        {
            "lr_schedule": {
                "name": "cosine_decay",
                "arguments": [1e-3, 8],
                "warmup": 2,
            }
        },
    ],
    ids=["adam", "adamw-dropout", "dora-sgd", "full-adafactor", "muon-keys", "cosine"],
)
def test_one_micro_batch_an_update_is_mlx_lm_to_the_bit(
    prepare: Prepare, tmp_path: Path, fields: dict[str, Any]
) -> None:
    training = prepare(iters=8, **fields)
    assert training.here() == 0
    theirs = mlx_lm_losses(training.run.plan(), tmp_path)
    assert training.losses == theirs.losses
    assert training.losses[-1] < training.losses[0]


def test_accumulation_over_equal_micro_batches_is_mlx_lm(prepare: Prepare, tmp_path: Path) -> None:
    rng = random.Random(3)
    # The same words in another order are the same number of tokens.
    shuffled = [" ".join(["the", *rng.sample(WORDS[1:10], 9)]) for _ in range(16)]
    even = write_data(tmp_path / "even")
    (even / "train.jsonl").write_text("".join(json.dumps({"text": s}) + "\n" for s in shuffled))
    training = prepare(
        data=str(even), iters=16, grad_accumulation_steps=2, learning_rate=1e-4, optimizer="sgd"
    )
    assert training.here() == 0
    theirs = mlx_lm_losses(training.run.plan(), tmp_path)
    assert training.losses == pytest.approx(theirs.losses, abs=1e-6)


def test_batch_and_accumulation_trade_without_changing_the_mathematics(prepare: Prepare) -> None:
    losses = []
    for batch_size, accumulation in ((4, 1), (2, 2), (1, 4)):
        training = prepare(
            iters=6 * accumulation, batch_size=batch_size, grad_accumulation_steps=accumulation
        )
        assert training.here() == 0
        assert len(training.losses) == 6
        losses.append(training.losses)
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    assert losses[2] == pytest.approx(losses[0], abs=1e-5)
