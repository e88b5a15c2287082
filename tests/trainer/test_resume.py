"""What a resume takes up, what it keeps, and what it refuses or warns about, by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from cockpit.core import events as ev
from cockpit.core.checkpoint_state import seal
from cockpit.memory import recovery, situation
from cockpit.system import checkpoints, resume, run_dir
from tests.trainer.conftest import Training, write_model

Prepare = Callable[..., Training]


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


def test_what_commands_changed_survives_a_recovery_from_scratch(prepare: Prepare) -> None:
    """Again and again, until somebody asks for something else."""
    training = prepare(iters=4, save_every=4)
    training.send("set_learning_rate", value=5e-4)
    training.send("set_iters", value=6.0)
    stop_at(training, 3)
    second = started_over(training)
    assert second.run.attempt(2).plan().iters == 6
    stop_at(second, 3)
    third = started_over(second)
    assert third.here() == 0
    rates = [event.learning_rate for event in third.events(ev.Updated)]
    assert rates == pytest.approx([5e-4] * 6)
    assert third.one(ev.Started).updates == 6
    assert checkpoints.newest_whole(third.run)[1].held_learning_rate == 5e-4


def test_a_recovery_from_scratch_may_ask_for_another_rate(prepare: Prepare) -> None:
    training = prepare(iters=4, save_every=4)
    training.send("set_learning_rate", value=5e-4)
    stop_at(training, 3)
    rest = started_over(training, {"learning_rate": 2e-4, "iters": 2})
    assert rest.here() == 0
    assert [e.learning_rate for e in rest.events(ev.Updated)] == pytest.approx([2e-4] * 2)


def started_over(training: Training, overrides: dict[str, Any] | None = None) -> Training:
    """The attempt that recovers a run of which nothing was saved."""
    found = situation.examine(training.run, overrides=overrides)
    assert found.checkpoint is None
    attempt = recovery.take(found, None, launch=False)
    return Training(training.run, attempt.number, started=training.started)


@pytest.mark.parametrize("left", [b"", b"\0" * 300, None])
def test_a_lost_plan_of_the_newest_attempt_is_that_of_its_checkpoint_or_of_the_one_before(
    prepare: Prepare, left: bytes | None
) -> None:
    training = prepare(iters=6, save_every=2)
    stop_at(training, 3)
    second = training.again("0000002", iters=8)
    lose(second.run.attempt(2).plan_path, left)
    found = resume.prepare(training.run)
    assert (found.checkpoint.name, found.plan.iters) == ("0000002", 6)
    assert found.warnings[0].startswith("attempts/002/plan.toml cannot be read: the plan of")
    assert "attempt 1" in found.warnings[0]
    third = training.again("0000002", iters=8)
    stop_at(third, 5)
    lose(third.run.attempt(3).plan_path, left)
    found = resume.prepare(training.run)
    assert (found.checkpoint.name, found.plan.iters) == ("0000004", 8)
    assert "checkpoint 0000004" in found.warnings[0]
    assert situation.examine(training.run).plan == found.plan
    run_dir.add_attempt(training.run, found.plan, resume=found.request.model_dump(mode="json"))
    assert not resume.prepare(training.run).warnings, "it is said once"


def lose(path: Path, left: bytes | None) -> None:
    """As a loss of power does with a file that was never flushed."""
    path.unlink()
    if left is not None:
        path.write_bytes(left)


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
        ({"lora_parameters": {"rank": 4}}, "lora_parameters.rank"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"batch_size": 4}, "batch_size x grad_accumulation_steps"),
        ({"seed": 3}, "seed"),
        ({"lora_parameters": {"keys": ["self_attn.q_proj"]}}, "lora_parameters.keys"),
    ],
)
def test_a_checkpoint_of_another_plan_is_refused_by_name(
    prepare: Prepare, changes: dict[str, Any], named: str
) -> None:
    training = prepare(iters=2)
    assert training.here() == 0
    rest = training.again("0000002", iters=4, **changes)
    assert rest.here() == 2
    ended = rest.one(ev.Ended)
    assert ended.kind == "checkpoint"
    assert f"\n{named}: " in ended.message and " -> " in ended.message


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


def test_another_model_under_the_same_name_is_refused(prepare: Prepare, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    training = prepare(iters=2, model=str(folder))
    assert training.here() == 0
    weights = mx.load(str(folder / "model.safetensors"))
    weights["model.norm.weight"] = weights["model.norm.weight"] + 1e-3
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    rest = training.again("0000002", iters=4)
    assert rest.here() == 2
    assert "other weights" in rest.one(ev.Ended).message


def test_the_same_model_and_data_elsewhere_go_on(
    prepare: Prepare, model: Path, data: Path, tmp_path: Path
) -> None:
    training = prepare(iters=2)
    assert training.here() == 0
    places = {"model": str(tmp_path / "moved"), "data": str(tmp_path / "data")}
    shutil.copytree(model, places["model"])
    shutil.copytree(data, places["data"])
    rest = training.again("0000002", iters=4, **places)
    assert rest.here() == 0
    assert [e.update for e in rest.events(ev.Updated)] == [3, 4]


def test_what_changes_the_rest_of_the_run_is_warned_about(prepare: Prepare) -> None:
    training = prepare(iters=2)
    assert training.here() == 0
    state = training.run.checkpoints / "0000002" / "state.json"
    document = json.loads(state.read_text())
    document["versions"]["mlx"] = "0.1.2"
    document["device"] = "abacus"
    state.write_text(json.dumps(seal(document)))
    rest = training.again("0000002", iters=4, learning_rate=5e-4, lora_parameters={"dropout": 0.1})
    assert rest.here() == 0
    notes = [note.message for note in rest.events(ev.Note) if note.level == "warning"]
    for said in ("learning_rate: 0.001 -> 0.0005", "dropout", "mlx was 0.1.2", "abacus"):
        assert any(said in note for note in notes), said
    rates = [event.learning_rate for event in rest.events(ev.Updated)]
    assert rates == pytest.approx([5e-4] * 2)


def test_the_same_examples_in_smaller_batches_go_on(prepare: Prepare) -> None:
    training = prepare(iters=4, batch_size=2)
    assert training.here() == 0
    rest = training.again("0000004", iters=16, batch_size=1, grad_accumulation_steps=2)
    assert rest.here() == 0
    whole = prepare(iters=8, batch_size=2)
    assert whole.here() == 0
    assert rest.losses == pytest.approx(whole.losses[4:], rel=1e-4)


def test_adapter_weights_of_a_run_are_not_asked_for_again(prepare: Prepare, tmp_path: Path) -> None:
    start = prepare(iters=1)
    assert start.here() == 0
    copy = tmp_path / "copy.safetensors"
    shutil.copyfile(start.run.adapters / "adapters.safetensors", copy)
    training = prepare(iters=2, resume_adapter_file=str(copy))
    assert training.here() == 0
    assert any(n.message.startswith("Weights only") for n in training.events(ev.Note))
    copy.unlink()
    rest = training.again("0000002", iters=3)
    assert rest.here() == 0
    assert not any(n.message.startswith("Weights only") for n in rest.events(ev.Note))
