"""A run goes on with fewer layers: what the dropped ones learned stays, in memory and on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import load_adapters
from mlx_lm.utils import load_model

from cockpit.core import events as ev
from cockpit.core.checkpoint_state import seal
from cockpit.memory import build
from cockpit.memory.trace import trace
from cockpit.system import resume
from cockpit.trainer import setup
from cockpit.trainer.emit import Emitter
from cockpit.trainer.job import Job
from cockpit.trainer.ranks import Ranks
from tests.trainer.conftest import Training, write_data

Prepare = Callable[..., Training]

DEPTH = 4
KINDS: dict[str, dict[str, Any]] = {
    "lora-adam": {},
    "lora-adafactor-schedule": {
        "optimizer": "adafactor",
        "lr_schedule": {"name": "cosine_decay", "arguments": [1e-3, 8]},
    },
    "dora-adamw-dropout": {
        "fine_tune_type": "dora",
        "optimizer": "adamw",
        "lora_parameters": {"dropout": 0.2},
    },
    "dora-muon-keys": {
        "fine_tune_type": "dora",
        "optimizer": "muon",
        "lora_parameters": {"keys": ["self_attn.q_proj", "mlp.up_proj"]},
    },
    "full-adam-accumulation": {
        "fine_tune_type": "full", "grad_accumulation_steps": 2, "batch_size": 1
    },
    "full-sgd": {
        "fine_tune_type": "full", "optimizer": "sgd",
        "optimizer_config": {"sgd": {"momentum": 0.9}},
    },
}  # fmt: skip


def run(prepare: Prepare, updates: int, **fields: Any) -> Training:
    """A run of all layers that keeps the checkpoint of every update."""
    every = fields.get("grad_accumulation_steps", 1)
    training = prepare(iters=updates * every, save_every=every, keep_last=99, **fields)
    assert training.here() == 0
    return training


def go_on(training: Training, update: int, updates: int, **changes: Any) -> Training:
    every = training.run.plan().grad_accumulation_steps
    rest = training.again(f"{update:07d}", iters=updates * every, **changes)
    assert rest.here() == 0, rest.log
    return rest


def loaded(training: Training, update: int, **changes: Any) -> Job:
    """The attempt that would go on from there, loaded and not begun."""
    attempt = training.again(f"{update:07d}", **changes)
    folder = attempt.run.attempt(attempt.number)
    job, _ = setup.build(
        attempt.run, folder, folder.plan(), Ranks(), Emitter(None), "a test", lambda: False
    )
    return job


def saved(training: Training, update: int, name: str = "adapters") -> dict[str, bytes]:
    arrays = mx.load(str(training.run.checkpoints / f"{update:07d}" / f"{name}.safetensors"))
    return bits(arrays)


def bits(arrays: dict[str, mx.array]) -> dict[str, bytes]:
    return {name: bytes(memoryview(value)) for name, value in arrays.items()}


def block(name: str) -> int:
    return int(name.split(".")[2])


def blocks(arrays: dict[str, Any]) -> set[int]:
    return {block(name) for name in arrays if name.startswith("model.layers.")}


@pytest.mark.parametrize("kind", KINDS)
def test_dropped_layers_stay_as_they_were_and_the_others_go_on(prepare: Prepare, kind: str) -> None:
    whole = run(prepare, 3, **KINDS[kind])
    rest = go_on(whole, 2, 4, num_layers=2)
    before, after = saved(whole, 2), saved(rest, 4)
    assert after.keys() == before.keys() and blocks(after) == set(range(DEPTH))
    assert {block(name) for name in after if after[name] != before[name]} == {2, 3}
    assert {name for name in after if block(name) < 2 and after[name] != before[name]} == set()
    # Nothing of the forward pass changed, and the masks that were drawn are the same.
    assert rest.losses[0] == pytest.approx(whole.losses[2], rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_optimizer_keeps_what_it_knows_of_the_layers_still_trained(
    prepare: Prepare, kind: str
) -> None:
    whole = run(prepare, 2, **KINDS[kind])
    state = bits(dict(tree_flatten(loaded(whole, 2, num_layers=1).optimizer.state)))
    before = saved(whole, 2, "optimizer")
    assert blocks(state) == {DEPTH - 1} and blocks(before) == set(range(DEPTH))
    wanted = {
        name: value
        for name, value in before.items()
        if not name.startswith("model.layers.") or block(name) == DEPTH - 1
    }
    assert state == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_it_can_be_done_twice_and_then_resumed_to_the_bit(prepare: Prepare, kind: str) -> None:
    whole = run(prepare, 2, **KINDS[kind])
    half = go_on(whole, 2, 4, num_layers=2)
    last = go_on(half, 4, 7, num_layers=1)
    once, final = saved(half, 4), saved(last, 7)
    assert blocks(saved(last, 7, "optimizer")) == {DEPTH - 1}
    assert {block(name) for name in final if final[name] != once[name]} == {DEPTH - 1}
    moments = saved(last, 7, "optimizer")
    again = go_on(last, 5, 7)
    assert again.losses == last.losses[1:]
    assert saved(again, 7) == final
    assert saved(again, 7, "optimizer") == moments


@pytest.mark.parametrize("kind", ["lora-adam", "dora-muon-keys", "full-sgd"])
def test_mlx_lm_loads_what_was_saved_and_answers_alike(
    prepare: Prepare, model: Path, kind: str
) -> None:
    whole = run(prepare, 2, num_layers=3, **KINDS[kind])
    rest = go_on(whole, 2, 4, num_layers=1)
    config = json.loads((rest.run.adapters / "adapter_config.json").read_text())
    assert config["num_layers"] == 3
    theirs, _ = load_model(model)
    load_adapters(theirs, str(rest.run.adapters))
    ours = loaded(rest, 4, num_layers=1).model
    tokens = mx.arange(12)[None]
    theirs.set_dtype(mx.float32)
    ours.eval()
    assert mx.allclose(theirs(tokens), ours(tokens), atol=1e-5)
    # Without the dropped layers' part it would be another model.
    other, _ = load_model(model)
    assert not mx.allclose(other(tokens), ours(tokens), atol=1e-5)


def test_every_layer_by_its_number_or_by_minus_one_is_the_same(prepare: Prepare) -> None:
    whole = run(prepare, 2)
    rest = go_on(whole, 2, 3, num_layers=DEPTH)
    assert not any(note.message.startswith("Unlike") for note in rest.events(ev.Note))
    again = go_on(rest, 3, 4, num_layers=-1)
    assert blocks(saved(again, 4, "optimizer")) == set(range(DEPTH))


def test_what_follows_is_said(prepare: Prepare) -> None:
    rest = go_on(run(prepare, 2), 2, 3, num_layers=1)
    (said,) = (n.message for n in rest.events(ev.Note) if n.message.startswith("Unlike before"))
    assert "num_layers: -1 -> 1" in said and "keep what they learned" in said


def test_a_resume_says_so_before_it_starts(prepare: Prepare) -> None:
    whole = run(prepare, 2)
    asked = resume.prepare(whole.run, {"num_layers": 2, "iters": 4})
    assert asked.refused == () and "num_layers: -1 -> 2" in asked.overridden
    assert any("dropped layers" in warning for warning in asked.warnings)
    go_on(whole, 2, 4, num_layers=2)
    later = resume.prepare(whole.run, {"iters": 6})
    assert later.plan.num_layers == 2
    assert "what all layers learned; 2 of them are trained" in later.inherited
    (refused,) = resume.prepare(whole.run, {"iters": 6, "num_layers": 3}).refused
    assert refused.change == "num_layers: 2 -> 3"


@pytest.mark.parametrize("more", [3, DEPTH, -1])
def test_going_back_up_is_refused_by_name(prepare: Prepare, more: int) -> None:
    rest = go_on(run(prepare, 2), 2, 3, num_layers=2)
    up = rest.again("0000003", iters=4, num_layers=more)
    assert up.here() == 2
    ended = up.one(ev.Ended)
    assert ended.kind == "checkpoint" and f"num_layers: 2 -> {more}" in ended.message


def test_the_checkpoint_before_still_has_all_of_them(prepare: Prepare) -> None:
    rest = go_on(run(prepare, 2), 2, 3, num_layers=2)
    back = go_on(rest, 2, 3, num_layers=-1)
    assert blocks(saved(back, 3, "optimizer")) == set(range(DEPTH))


def test_a_damaged_optimizer_is_not_taken_for_dropped_layers(prepare: Prepare) -> None:
    whole = run(prepare, 2)
    folder = whole.run.checkpoints / "0000002"
    path = folder / "optimizer.safetensors"
    arrays = mx.load(str(path))
    kept = {name: value for name, value in arrays.items() if "layers.3.mlp" not in name}
    mx.save_safetensors(str(path), kept)
    rewrite(folder)
    rest = whole.again("0000002", iters=3, num_layers=2)
    assert rest.here() == 2
    assert "does not fit" in rest.one(ev.Ended).message


def test_a_checkpoint_from_before_layers_could_be_dropped_goes_on(prepare: Prepare) -> None:
    whole = run(prepare, 2, num_layers=3)
    rewrite(whole.run.checkpoints / "0000002", "adapted_layers")
    rest = go_on(whole, 2, 3, num_layers=2)
    assert blocks(saved(rest, 3)) == {1, 2, 3}
    assert blocks(saved(rest, 3, "optimizer")) == {2, 3}


def rewrite(folder: Path, *without: str) -> None:
    """The state without some fields, and none the wiser of what the other files should hold."""
    path = folder / "state.json"
    document = json.loads(path.read_text()) | {"files": {}}
    path.write_text(json.dumps(seal({n: v for n, v in document.items() if n not in without})))


def test_checkpointing_and_dropping_go_together(prepare: Prepare) -> None:
    fields: dict[str, Any] = {"lora_parameters": {"dropout": 0.2}, "grad_accumulation_steps": 2}
    whole = run(prepare, 2, **fields)
    rest = whole.again("0000002", iters=8, num_layers=2, grad_checkpoint=True)
    # In a process of its own: mlx-lm's checkpointing patches the model's class.
    assert rest.start().wait() == 0
    before, after = saved(whole, 2), saved(rest, 4)
    assert {block(name) for name in after if after[name] != before[name]} == {2, 3}
    assert len(rest.losses) == 2


def test_the_peak_falls_and_the_forecast_knows_by_how_much(
    prepare: Prepare, model: Path, tmp_path: Path
) -> None:
    even = write_data(tmp_path / "even", words=[14] * 16)
    whole = prepare(data=str(even), save_every=2, val_batches=1)
    # In processes of their own, whose peaks are theirs alone.
    assert whole.start().wait() == 0
    rest = whole.again("0000002", num_layers=1)
    assert rest.start().wait() == 0
    plan, shape = rest.run.attempt(rest.number).plan(), (2, 33)
    adapted, bare = (
        trace(build.from_folder(model, plan), plan, shape, shape, adapted_layers=n).forecast
        for n in (-1, None)
    )
    assert peak_bytes(rest) < 0.7 * peak_bytes(whole)
    # It allows for moments that are made during the first update; here they are there before. And
    # on a busy machine less is scheduled ahead, which counts in a model of a megabyte.
    assert 0.99 < adapted.peak_bytes / peak_bytes(rest) < 1.2
    adapters = mx.load(str(rest.run.adapters / "adapters.safetensors"))
    frozen = sum(value.nbytes for name, value in adapters.items() if block(name) < DEPTH - 1)
    assert adapted.parts["weights"] - bare.parts["weights"] == frozen


def peak_bytes(training: Training) -> int:
    return max(event.peak_bytes for event in training.events(ev.Updated))
