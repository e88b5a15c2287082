"""Commands to a run that trains: asked, answered, and harmless when repeated or malformed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cockpit


@pytest.fixture
def running(cockpit: Cockpit, short: list[str]) -> Iterator[str]:
    flags = ["1000000" if flag in ("3", "6") else flag for flag in short]
    name = cockpit("train", *flags, "--detach", "--json").document["run"]
    deadline = time.monotonic() + 120
    while cockpit("show", name, "--json").document["updates"] < 1:
        assert time.monotonic() < deadline
    yield name
    cockpit("stop", name)
    cockpit("attach", name, "--json")


def test_a_run_is_controlled_and_says_what_came_of_it(cockpit: Cockpit, running: str) -> None:
    paused = cockpit("pause", running, "--json").document
    assert (paused["accepted"], paused["result"]["reason"]) == (True, "asked")
    again = cockpit("pause", running)
    assert again.code == 1 and "paused already" in again.err
    assert cockpit("runs", "--json").document["runs"][0]["status"] == "paused"

    saved = cockpit("checkpoint", running, "--json").document
    assert saved["result"]["update"] == paused["result"]["update"]
    measured = cockpit("validate", running, "--json").document
    assert measured["result"]["loss"] > 0
    assert "validation loss" in cockpit("validate", running).out
    told = cockpit("sample", running, "What does a cow say?", "--json").document
    assert told["result"]["prompt"] == "What does a cow say?" and told["result"]["text"]
    assert cockpit("sample", running, "What does a cow say?").out.strip()

    refused = cockpit("set", running, "--iters", "1")
    assert refused.code == 1 and "done already" in refused.err
    assert cockpit("set", running, "--learning-rate", "2e-4").code == 0
    assert cockpit("set", running, "--iters", "500000", "--json").document["updates"] == 500_000
    assert cockpit("unpause", running).code == 0
    assert cockpit("unpause", running).code == 1


def test_two_who_ask_at_once_get_each_their_own_answer(cockpit: Cockpit, running: str) -> None:
    prompts = ["What colour is the sky?", "What does a cow say?"] * 2
    command = [sys.executable, "-m", "cockpit", "sample", running]
    asked = [
        subprocess.Popen([*command, prompt, "--json"], stdout=subprocess.PIPE, text=True)
        for prompt in prompts
    ]
    for prompt, process in zip(prompts, asked, strict=True):
        out, _ = process.communicate()
        assert process.returncode == 0
        assert f'"prompt": "{prompt}"' in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["set", "x"],
        ["set", "x", "--learning-rate", "-1"],
        ["set", "x", "--learning-rate", "fast"],
        ["set", "x", "--learning-rate", "nan"],
        ["set", "x", "--iters", "1.5"],
        ["set", "x", "--iters", "5", "--learning-rate", "1"],
        ["sample", "x", "  "],
        ["sample", "x"],
        ["pause", "nobody"],
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_sent(
    cockpit: Cockpit, home: Path, arguments: list[str]
) -> None:
    run = home / "runs" / "20260101-0000-x"
    run.mkdir(parents=True)
    (run / "plan.toml").write_text('model = "nano"\ndata = "d"\n')
    done = cockpit(*arguments)
    assert done.code == 2 and "->" in done.err
    assert not (run / "control.jsonl").exists()


def test_a_run_that_is_over_has_nobody_to_obey(cockpit: Cockpit, short: list[str]) -> None:
    name = cockpit("train", *short, "--json").document["run"]
    done = cockpit("pause", name)
    assert done.code == 2 and f"cockpit resume {name}" in done.err
