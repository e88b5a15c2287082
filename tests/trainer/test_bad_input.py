"""Input that turns out bad after the launch: one end event that names it, and no traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from cockpit.core import events as ev
from tests.trainer.conftest import Training, write_data, write_model

Prepare = Callable[..., Training]


def refusal(training: Training, capsys: pytest.CaptureFixture[str]) -> ev.Ended:
    """The end event of a run that must be refused, after checking how it was."""
    assert training.here() == 2
    ended = training.one(ev.Ended)
    assert ended.status == "failed"
    assert ended.title and ended.message and ended.remedy
    assert "Traceback" not in capsys.readouterr().err
    assert not training.run.checkpoints.exists()
    return ended


def data_with(tmp_path: Path, *lines: str) -> str:
    folder = write_data(tmp_path / "data")
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n")
    return str(folder)


GOOD = json.dumps({"text": "the cat sat"})


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ((GOOD, GOOD, '{"text": "cut off'), "line 3"),
        ((GOOD, "", "[1, 2]"), "line 3"),
        ((GOOD, json.dumps({"prompt": "no text"}), GOOD), "line 2"),
        ((GOOD, json.dumps({"text": None}), GOOD), "line 2"),
        ((GOOD, json.dumps({"text": ""}), GOOD), "line 2"),
        ((json.dumps({"body": "unknown key"}), GOOD), "line 1"),
    ],
    ids=["not-json", "not-an-object", "missing-key", "null", "empty-text", "unknown-format"],
)
def test_a_bad_line_is_named(
    prepare: Prepare, tmp_path: Path, capsys: Any, lines: tuple[str, ...], where: str
) -> None:
    ended = refusal(prepare(data=data_with(tmp_path, *lines)), capsys)
    assert ended.kind == "data"
    assert f"train.jsonl {where}" in ended.message


def test_fewer_examples_than_a_batch(prepare: Prepare, tmp_path: Path, capsys: Any) -> None:
    ended = refusal(prepare(data=data_with(tmp_path, GOOD), batch_size=2), capsys)
    assert ended.kind == "data" and "batch_size 2" in ended.message


def test_plain_text_has_no_prompt_to_mask(prepare: Prepare, capsys: Any) -> None:
    ended = refusal(prepare(mask_prompt=True), capsys)
    assert ended.kind == "data" and "mask_prompt" in ended.message


def test_a_test_set_that_is_not_there(prepare: Prepare, capsys: Any) -> None:
    assert "test.jsonl" in refusal(prepare(test=True), capsys).message


def test_chat_data_without_a_chat_template(prepare: Prepare, tmp_path: Path, capsys: Any) -> None:
    folder = write_model(tmp_path / "model")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    row = json.dumps({"messages": [{"role": "user", "content": "the cat"}]})
    ended = refusal(prepare(model=str(folder), data=data_with(tmp_path, row, row)), capsys)
    assert "template" in ended.message and "line 1" in ended.message


def test_more_layers_than_the_model_has(prepare: Prepare, capsys: Any) -> None:
    ended = refusal(prepare(num_layers=5), capsys)
    assert "5" in ended.message and "4" in ended.remedy


def test_keys_that_match_nothing(prepare: Prepare, capsys: Any) -> None:
    ended = refusal(prepare(lora_parameters={"keys": ["self_attn.nothing"]}), capsys)
    assert "self_attn.nothing" in ended.message and "self_attn.q_proj" in ended.remedy


def test_an_optimizer_argument_of_the_wrong_kind(prepare: Prepare, capsys: Any) -> None:
    training = prepare(optimizer="sgd", optimizer_config={"sgd": {"nesterov": True}})
    ended = refusal(training, capsys)
    assert ended.kind == "plan" and "sgd" in ended.message


@pytest.mark.parametrize("damage", ["missing", "cut", "another"])
def test_a_broken_model_is_named(
    prepare: Prepare, tmp_path: Path, capsys: Any, damage: str
) -> None:
    folder = write_model(tmp_path / "model")
    weights = folder / "model.safetensors"
    if damage == "missing":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1000])
    else:
        mx.save_safetensors(str(weights), {"something.else": mx.zeros((2,))})
    ended = refusal(prepare(model=str(folder)), capsys)
    assert ended.kind == "model" and str(folder) in ended.message


def test_adapter_weights_of_another_rank_are_refused(prepare: Prepare, capsys: Any) -> None:
    first = prepare(iters=2)
    assert first.here() == 0
    second = prepare(
        resume_adapter_file=str(first.run.adapters / "adapters.safetensors"),
        lora_parameters={"rank": 2},
    )
    ended = refusal(second, capsys)
    assert ended.kind == "adapter"
    assert "lora_a" in ended.message and "(64, 8) there and (64, 2) here" in ended.message


def test_adapter_weights_that_match_nothing_are_refused(
    prepare: Prepare, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "other.safetensors"
    mx.save_safetensors(str(path), {"model.layers.9.mlp.lora_a": mx.zeros((2, 2))})
    ended = refusal(prepare(resume_adapter_file=str(path)), capsys)
    assert "model.layers.9.mlp.lora_a" in ended.message


def test_adapter_weights_that_cannot_be_read(prepare: Prepare, tmp_path: Path, capsys: Any) -> None:
    missing = tmp_path / "none.safetensors"
    assert str(missing) in refusal(prepare(resume_adapter_file=str(missing)), capsys).message


def test_a_reporter_that_is_not_there(prepare: Prepare, capsys: Any) -> None:
    assert "nowhere" in refusal(prepare(report_to="nowhere"), capsys).message


def test_an_unexpected_error_ends_with_its_text(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from cockpit.trainer import loop

    def explode(_: loop.Loop) -> None:
        raise RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory")

    monkeypatch.setattr(loop.Loop, "_train_one", explode)
    training = prepare()
    assert training.here() == 1
    ended = training.one(ev.Ended)
    assert (ended.kind, ended.status) == ("error", "failed")
    assert "Insufficient Memory" in ended.message
    assert "Traceback" in capsys.readouterr().err
