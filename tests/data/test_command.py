"""``cockpit data`` as people and scripts run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cockpit.cli import run
from cockpit.embedded import demo_data_path
from tests.cli.conftest import Cockpit, cockpit, home
from tests.data.folders import GOOD, chat, lines, make, train

__all__ = ["cockpit", "home"]  # fixtures


def test_a_report_for_people(cockpit: Cockpit) -> None:
    done = cockpit("data", demo_data_path(), "--model", "nano", "--mask-prompt", "--example", "1")
    assert done.code == 0
    for said in (
        "can be trained on",
        "9,967",
        "<- recommended",
        "100 iterations an epoch",
        "masked: read, not learned (9 tokens)",
        "| Arrr! 9 plus 1 is 10, matey!<|end|>",
    ):
        assert said in done.out
    assert "┤" in done.out
    assert done.err == ""


def test_a_report_for_scripts(cockpit: Cockpit, tmp_path: Path) -> None:
    folder = make(tmp_path / "data", train(b"{broken\n", chat("\x1b[2J", "\u202eb")))
    done = cockpit("data", folder, "--json")
    assert done.code == 1
    document = done.document
    assert document["trainable"] is False
    assert document["tokens_are"] == "estimated"
    assert document["splits"]["train"]["examples"] == 62
    assert document["splits"]["train"]["usable"] == 61
    found = {finding["code"]: finding for finding in document["findings"]}
    assert found["invalid-json"]["lines"] == [61]
    assert found["invalid-json"]["severity"] == "error"
    assert all(f["means"] and f["cure"] and f["file"] for f in found.values())
    assert sum(one["examples"] for one in document["histogram"]) == 61


def test_data_cannot_drive_the_terminal(cockpit: Cockpit, tmp_path: Path) -> None:
    row = {"conv\x1b[2J": 1}
    named = chat("\x1b]0;title\x07", "\u202eb", {"role": "\x1b[31m", "content": "x"})
    folder = make(tmp_path / "da\x1bta", {"train.jsonl": lines(named, *GOOD, row)})
    done = cockpit("data", folder, "--example", "1")
    assert done.code == 1
    assert "\x1b" not in done.out + done.err
    assert "\u202e" not in done.out + done.err


def test_convert_and_split(cockpit: Cockpit, tmp_path: Path) -> None:
    folder = make(
        tmp_path / "data",
        {
            "alpaca.json": json.dumps(
                [{"instruction": f"{i}?", "output": f"{i}!"} for i in range(100)]
            ).encode()
        },
    )
    done = cockpit("data", folder, "--split", "90/5/5", "--convert", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert done.document["conversion"] == {
        "folder": str(tmp_path / "out"),
        "examples": {"train": 90, "valid": 5, "test": 5},
        "rejected": 0,
        "layouts": {"Alpaca": 100},
    }
    again = cockpit("data", folder, "--convert", tmp_path / "out")
    assert again.code == 2
    assert "there already" in again.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere"),
        ([], "data folder"),
        (["data", "--data", "other"], "data folder"),
        (["data", "--split", "90/5/5"], "--convert"),
        (["data", "--split", "90/5", "--convert", "out"], "90/5"),
        (["data", "--example", "0"], "--example 0"),
        (["data", "--example", "99"], "99"),
        (["data", "--model", "./nothing"], "nothing"),
    ],
)
def test_a_wrong_request(
    tmp_path: Path,
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path / "data", train())
    monkeypatch.chdir(tmp_path)
    assert run(["data", *arguments]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert "->" in shown.err
    assert shown.out == ""
    assert not (tmp_path / "out").exists()
