"""A wrong request gets exit code 2 and a message with file, line or field, and a remedy."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Cockpit, Done


def refused(done: Done, *said: str) -> None:
    """Exit 2, every phrase in the message, a remedy after an arrow, nothing launched."""
    assert done.code == 2, done.err
    for phrase in said:
        assert phrase in done.err
    assert "->" in done.err
    assert len(done.err.splitlines()) < 12


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    line = json.dumps(
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}
    )
    (folder / "train.jsonl").write_text(f"{line}\n" * 8)
    return folder


def test_a_model_that_is_not_there(cockpit: Cockpit, data: Path) -> None:
    refused(cockpit("train", "--model", "./nowhere", "--data", data), "nowhere")


def test_a_model_type_that_mlx_lm_does_not_know(
    cockpit: Cockpit, data: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "warpdrive"}')
    refused(cockpit("train", "--model", model, "--data", data), "warpdrive")


def test_a_folder_without_train_jsonl(cockpit: Cockpit, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(cockpit("train", "--model", "nano", "--data", "empty"), "train.jsonl")


def test_a_line_that_is_not_json(cockpit: Cockpit, data: Path) -> None:
    with (data / "train.jsonl").open("a") as file:
        file.write('{"messages": [\n')
    refused(cockpit("train", "--model", "nano", "--data", data), "train.jsonl", "9")


def test_an_empty_data_set(cockpit: Cockpit, data: Path) -> None:
    (data / "train.jsonl").write_text("")
    refused(cockpit("train", "--model", "nano", "--data", data), "train.jsonl", "empty")


def test_fewer_examples_than_a_batch(cockpit: Cockpit, data: Path) -> None:
    done = cockpit("train", "--model", "nano", "--data", data, "--batch-size", "9")
    refused(done, "8", "9", "batch")


def test_more_layers_than_the_model_has(cockpit: Cockpit, data: Path) -> None:
    done = cockpit("train", "--model", "nano", "--data", data, "--num-layers", "99")
    refused(done, "num_layers", "99")


def test_a_field_with_an_impossible_value(cockpit: Cockpit, data: Path) -> None:
    done = cockpit("train", "--model", "nano", "--data", data, "--batch-size", "0")
    refused(done, "batch_size", "0")


def test_an_unknown_key_is_named_with_the_one_meant(cockpit: Cockpit, tmp_path: Path) -> None:
    config = tmp_path / "lora.yaml"
    config.write_text("model: nano\ndata: x\nbatchsize: 4\n")
    refused(cockpit("train", "-c", config), str(config), "batchsize", "batch_size")


def test_alpha_is_explained(cockpit: Cockpit, tmp_path: Path) -> None:
    config = tmp_path / "lora.yaml"
    config.write_text("model: nano\ndata: x\nlora_parameters: {rank: 8, alpha: 16}\n")
    refused(cockpit("train", "-c", config), "alpha", "scale")


@pytest.mark.parametrize("name", ["plan.toml", "config.yaml"])
def test_a_plan_that_cannot_be_parsed(cockpit: Cockpit, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("batch_size: [unclosed\n= 4")
    refused(cockpit("train", tmp_path / name), name)


def test_a_home_that_cannot_be_made(
    cockpit: Cockpit, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "file" / "home"))
    refused(cockpit("train", "--model", "nano", "--data", data), "COCKPIT_HOME")


def test_an_unknown_run(cockpit: Cockpit) -> None:
    refused(cockpit("show", "nothing-like-it"), "nothing-like-it")


def test_an_unknown_command_or_flag(cockpit: Cockpit) -> None:
    refused(cockpit("trian"), "trian")
    refused(cockpit("train", "--batchsize", "4", "--model", "nano"), "batchsize")


def test_the_interface_without_a_terminal(cockpit: Cockpit) -> None:
    refused(cockpit(), "terminal")


def test_with_json_the_error_is_a_document(cockpit: Cockpit, data: Path) -> None:
    done = cockpit("train", "--model", "./nowhere", "--data", data, "--json")
    assert done.code == 2
    assert set(done.document["error"]) == {"title", "message", "remedy"}


def test_names_cannot_drive_the_terminal(cockpit: Cockpit, data: Path) -> None:
    done = cockpit("train", "--model", "./\x1b[2Jevil\u202e", "--data", data)
    refused(done, "evil")
    assert "\x1b" not in done.err
    assert "\u202e" not in done.err


COMMANDS = [
    "demo",
    "train",
    "runs",
    "show",
    "attach",
    "stop",
    "resume",
    "pause",
    "unpause",
    "checkpoint",
    "validate",
    "sample",
    "set",
    "data",
    "tag",
    "export",
    "profiles",
    "doctor",
]


def test_help_teaches_every_command(cockpit: Cockpit) -> None:
    listed = cockpit("--help").out
    for command in COMMANDS:
        assert command in listed
        done = cockpit(command, "--help")
        assert done.code == 0
        assert "--json" in done.out


def test_a_bare_environment_is_enough(cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TERM", "LANG", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    assert os.environ.get("LANG") is None
    assert cockpit("runs", "--json").document == {"runs": []}


def test_a_profile_of_ones_own_that_is_broken(cockpit: Cockpit, home: Path) -> None:
    (home / "profiles").mkdir(parents=True)
    (home / "profiles" / "bad.toml").write_text('title = "Bad"\nbackend = = "cpu"\n')
    done = cockpit("predict", "--model", "nano", "--profile", "bad")
    refused(done, "not TOML", "profiles/bad.toml", "line 2", "Correct that line")
    refused(cockpit("profiles", "nowhere"), "There is no profile 'nowhere'", ": this-machine, ")


def test_a_home_that_is_a_file(cockpit: Cockpit, home: Path) -> None:
    home.write_text("")
    for command in (("runs",), ("show", "latest")):
        refused(cockpit(*command), "COCKPIT_HOME is not a folder", str(home))
