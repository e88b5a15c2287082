"""A resume continues the same run to the bit, or says by name why it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cockpit.core import events as ev
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]

DEMANDING: dict[str, Any] = {
    "optimizer": "adamw",
    "grad_accumulation_steps": 2,
    "lora_parameters": {"rank": 4, "dropout": 0.3, "scale": 10.0},
    "lr_schedule": {"name": "cosine_decay", "arguments": [1e-3, 8], "warmup": 2},
}


def adapter(training: Training) -> bytes:
    return (training.run.adapters / "adapters.safetensors").read_bytes()


@pytest.mark.parametrize(
    "fields",
    [
        DEMANDING,
        {"fine_tune_type": "full", "num_layers": 2, "optimizer": "adafactor"},
        {"fine_tune_type": "dora", "optimizer": "muon", "num_layers": 3},
        {"optimizer": "sgd", "optimizer_config": {"sgd": {"momentum": 0.9}}},
    ],
    ids=["lora-adamw-dropout-cosine-accumulation", "full-adafactor", "dora-muon", "sgd-momentum"],
)
def test_four_updates_and_four_more_are_eight(prepare: Prepare, fields: dict[str, Any]) -> None:
    iters = 8 * fields.get("grad_accumulation_steps", 1)
    straight = prepare(iters=iters, **fields)
    assert straight.here() == 0
    broken = prepare(iters=iters, save_every=iters // 2, sample_prompts=("one red",), **fields)
    stop_at(broken, 4)
    rest = broken.again("0000004")
    assert rest.here() == 0

    assert adapter(broken) == adapter(straight)
    assert rest.losses == straight.losses[4:]
    assert [e.update for e in rest.events(ev.Updated)] == [5, 6, 7, 8]
    assert rest.one(ev.Started).update == 4
    last, wanted = rest.events(ev.Updated)[-1], straight.events(ev.Updated)[-1]
    assert (last.trained_tokens, last.learning_rate) == (
        wanted.trained_tokens,
        wanted.learning_rate,
    )


def stop_at(training: Training, update: int) -> None:
    """Trains until ``update`` and then as a crash would end it: nothing after the checkpoint."""
    from cockpit.trainer import loop

    class Crash(Exception):
        pass

    train_one = loop.Loop._train_one

    def until(self: loop.Loop) -> None:
        if self.progress.update == update:
            raise Crash
        train_one(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Loop, "_train_one", until)
        assert training.here() == 1


def test_what_commands_changed_survives_a_resume(prepare: Prepare) -> None:
    schedule = {"name": "cosine_decay", "arguments": [1e-3, 8]}
    training = prepare(iters=4, save_every=2, lr_schedule=schedule)
    training.send("set_learning_rate", value=5e-4)
    training.send("set_iters", value=6.0)
    stop_at(training, 3)
    rest = training.again("0000002")
    assert rest.here() == 0
    rates = [event.learning_rate for event in rest.events(ev.Updated)]
    assert rates == pytest.approx([5e-4] * 4)


def test_a_damaged_checkpoint_is_refused_by_name(prepare: Prepare) -> None:
    training = prepare(iters=2)
    assert training.here() == 0
    weights = training.run.checkpoints / "0000002" / "optimizer.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    rest = training.again("0000002", iters=4)
    assert rest.here() == 2
    ended = rest.one(ev.Ended)
    assert (ended.status, ended.kind) == ("failed", "checkpoint")
    assert "optimizer.safetensors" in ended.message and "checksum" in ended.message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"lora_parameters": {"rank": 4}}, "rank"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"num_layers": 2}, "num_layers"),
        ({"batch_size": 4}, "examples_per_update"),
    ],
)
def test_a_checkpoint_of_another_plan_is_refused_by_name(
    prepare: Prepare, changes: dict[str, Any], named: str
) -> None:
    training = prepare(iters=2)
    assert training.here() == 0
    rest = training.again("0000002", iters=4, **changes)
    assert rest.here() == 2
    assert f": {named} was " in rest.one(ev.Ended).message


def test_changed_data_is_refused(prepare: Prepare, tmp_path: Any) -> None:
    from tests.trainer.conftest import write_data

    folder = write_data(tmp_path / "data")
    training = prepare(iters=2, data=str(folder))
    assert training.here() == 0
    with (folder / "train.jsonl").open("a") as file:
        file.write(json.dumps({"text": "one more"}) + "\n")
    rest = training.again("0000002", iters=4)
    assert rest.here() == 2
    assert "data" in rest.one(ev.Ended).message


def test_a_missing_checkpoint_is_named(prepare: Prepare) -> None:
    training = prepare(iters=2)
    rest = training.again("0000001")
    assert rest.here() == 2
    assert "0000001" in rest.one(ev.Ended).message
