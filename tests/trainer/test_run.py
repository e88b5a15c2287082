"""A whole run: what it tells, in which order, and what mlx-lm makes of what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import pytest
from mlx.utils import tree_flatten

from cockpit.core import events as ev
from tests.trainer.conftest import Training, write_data, write_model

Prepare = Callable[..., Training]


def test_a_run_tells_its_story(prepare: Prepare) -> None:
    training = prepare(iters=4, steps_per_eval=2, save_every=2, sample_prompts=("the cat",))
    assert training.here() == 0
    story = [
        e.phase if isinstance(e, ev.PhaseChanged) else e.type  # type: ignore[attr-defined]
        for e in training.events()
        if not isinstance(e, ev.Note)
        and not (isinstance(e, ev.PhaseChanged) and e.detail == "data")
    ]
    evaluation = ["validating", "validation", "training"]
    saving = ["saving", "checkpoint", "training"]
    assert story == [
        "started", "loading", "loaded", *evaluation, "sample", "compiling",
        "update", "training", "update", *evaluation, *saving,
        "update", "update", *evaluation, *saving, "sample", "end",
    ]  # fmt: skip

    assert training.events(ev.Validated)[0].best
    assert [e.update for e in training.events(ev.Validated)] == [0, 2, 4]
    assert [e.update for e in training.events(ev.Checkpointed)] == [2, 4]
    assert [e.update for e in training.events(ev.Sampled)] == [0, 4]
    ended = training.one(ev.Ended)
    assert (ended.status, ended.update) == ("completed", 4)


def test_every_update_says_what_it_did(prepare: Prepare) -> None:
    training = prepare(iters=6, grad_accumulation_steps=2)
    assert training.here() == 0
    updates = training.events(ev.Updated)
    assert [e.update for e in updates] == [1, 2, 3]
    assert [e.trained_tokens for e in updates] == [
        sum(e.tokens for e in updates[: i + 1]) for i in range(3)
    ]
    assert [e.epoch for e in updates] == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert all(e.grad_norm and e.grad_norm > 0 for e in updates)
    assert all(e.peak_bytes >= e.active_bytes > 0 for e in updates)
    assert all(a.peak_bytes <= b.peak_bytes for a, b in pairwise(updates))


def test_the_gradient_norm_is_that_of_the_applied_gradient(prepare: Prepare) -> None:
    """Under plain SGD the weights move by the learning rate times the gradient."""
    training = prepare(iters=2, optimizer="sgd", learning_rate=0.5, save_every=1)
    assert training.here() == 0
    before, after = (
        mx.load(str(training.run.checkpoints / name / "adapters.safetensors"))
        for name in ("0000001", "0000002")
    )
    moved = sum(mx.square((after[k] - before[k]) / 0.5).sum().item() for k in before) ** 0.5
    assert moved == pytest.approx(training.events(ev.Updated)[1].grad_norm, rel=1e-4)


@pytest.mark.parametrize("fine_tune_type", ["lora", "dora", "full"])
def test_mlx_lm_loads_what_a_run_leaves(prepare: Prepare, model: Path, fine_tune_type: str) -> None:
    training = prepare(fine_tune_type=fine_tune_type, num_layers=2, save_every=2)
    assert training.here() == 0
    loaded, tokenizer = mlx_lm.load(str(model), adapter_path=str(training.run.adapters))
    saved = mx.load(str(training.run.adapters / "adapters.safetensors"))
    weights = dict(tree_flatten(loaded.parameters()))
    assert saved and all(mx.array_equal(weights[name], saved[name]) for name in saved)
    assert len({name.split(".")[2] for name in saved}) == 2
    text = mlx_lm.generate(loaded, tokenizer, prompt="the cat", max_tokens=3)
    assert isinstance(text, str)


def test_watching_disturbs_nothing(prepare: Prepare) -> None:
    dropout = {"lora_parameters": {"rank": 4, "dropout": 0.5}}
    quiet = prepare(iters=6, steps_per_eval=100, **dropout)
    watched = prepare(iters=6, steps_per_eval=1, save_every=1, sample_prompts=("a",), **dropout)
    watched.send("sample", prompt="the dog")
    watched.send("validate")
    assert quiet.here() == watched.here() == 0
    assert watched.losses == quiet.losses
    assert len(watched.events(ev.Validated)) > len(quiet.events(ev.Validated))


def test_the_validation_curve_is_of_the_same_examples(prepare: Prepare) -> None:
    training = prepare(iters=3, steps_per_eval=1, val_batches=1, learning_rate=1e-30)
    assert training.here() == 0
    validations = training.events(ev.Validated)
    assert len({(e.loss, e.tokens) for e in validations}) == 1
    assert [e.best for e in validations] == [True, False, False, False]


def test_a_test_set_is_measured_at_the_end(prepare: Prepare, tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data")
    (folder / "test.jsonl").write_bytes((folder / "valid.jsonl").read_bytes())
    training = prepare(iters=2, data=str(folder), test=True, val_batches=-1, test_batches=-1)
    assert training.here() == 0
    assert training.one(ev.Tested).loss == pytest.approx(training.events(ev.Validated)[-1].loss)


def test_without_validation_data_a_note_says_so(prepare: Prepare, tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data")
    (folder / "valid.jsonl").unlink()
    training = prepare(iters=2, data=str(folder))
    assert training.here() == 0
    assert training.events(ev.Validated) == []
    assert any("no validation data" in note.message for note in training.events(ev.Note))


def test_long_examples_are_cut_and_counted(prepare: Prepare) -> None:
    training = prepare(iters=2, max_seq_length=32)
    assert training.here() == 0
    loaded = training.one(ev.ModelLoaded)
    assert loaded.truncated_examples > 0
    assert loaded.longest_tokens and loaded.longest_tokens > 32
    assert any("are cut" in note.message for note in training.events(ev.Note))


def test_prompts_can_be_masked(prepare: Prepare, tmp_path: Path) -> None:
    folder = tmp_path / "chat"
    folder.mkdir()
    rows = [{"prompt": "the cat " * (n % 5 + 1), "completion": "sat on a mat"} for n in range(8)]
    rows.append({"prompt": "far " * 200, "completion": "never seen"})
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    masked = prepare(iters=4, data=str(folder), mask_prompt=True)
    whole = prepare(iters=4, data=str(folder))
    assert masked.here() == whole.here() == 0
    assert (
        masked.events(ev.Updated)[-1].trained_tokens < whole.events(ev.Updated)[-1].trained_tokens
    )
    assert masked.one(ev.ModelLoaded).train_examples == 8
    assert any("left out" in note.message for note in masked.events(ev.Note))


def test_half_precision_becomes_float32_where_that_is_faster(
    prepare: Prepare, tmp_path: Path
) -> None:
    from cockpit.trainer import loading

    folder = write_model(tmp_path / "half")
    weights = mx.load(str(folder / "model.safetensors"))
    halved = {name: value.astype(mx.bfloat16) for name, value in weights.items()}
    mx.save_safetensors(str(folder / "model.safetensors"), halved)
    training = prepare(model=str(folder), iters=2)
    assert training.here() == 0
    wanted = "float32" if loading.casts_to_float32() else "bfloat16"
    assert any(f"Training in {wanted}" in note.message for note in training.events(ev.Note))


def test_a_quantized_model_trains(prepare: Prepare, tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "quantized"
    mlx_lm.convert(str(model), str(folder), quantize=True, q_bits=4, q_group_size=32)
    training = prepare(model=str(folder), iters=4)
    assert training.here() == 0
    assert training.one(ev.Ended).status == "completed"


def test_adapter_weights_can_be_the_start(prepare: Prepare) -> None:
    first = prepare(iters=4)
    assert first.here() == 0
    second = prepare(iters=2, resume_adapter_file=str(first.run.adapters))
    assert second.here() == 0
    start, end = second.events(ev.Validated)[0], first.events(ev.Validated)[-1]
    assert start.loss == pytest.approx(end.loss, abs=1e-6)
    assert second.events(ev.Updated)[0].update == 1


def test_reports_carry_mlx_lms_names(prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlx_lm.tuner import callbacks

    heard: list[dict[str, Any]] = []

    class Listener(callbacks.TrainingCallback):  # type: ignore[misc]
        def __init__(self, **_: Any) -> None: ...

        def on_train_loss_report(self, train_info: dict[str, Any]) -> None:
            heard.append(train_info)

        def on_val_loss_report(self, val_info: dict[str, Any]) -> None:
            raise ConnectionError("no network")

    monkeypatch.setitem(callbacks.SUPPORT_CALLBACK, "wandb", Listener)
    training = prepare(iters=4, steps_per_report=2, report_to="wandb")
    assert training.here() == 0
    assert heard == []
    (note,) = [n for n in training.events(ev.Note) if "no network" in n.message]
    assert note.level == "warning"

    monkeypatch.setattr(Listener, "on_val_loss_report", lambda *_: None)
    training = prepare(iters=4, steps_per_report=2, report_to="wandb")
    assert training.here() == 0
    assert [info["iteration"] for info in heard] == [2, 4]
    assert heard[0].keys() == {
        "iteration", "train_loss", "learning_rate", "iterations_per_second",
        "tokens_per_second", "trained_tokens", "peak_memory",
    }  # fmt: skip
