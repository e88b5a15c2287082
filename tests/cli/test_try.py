"""``cockpit try``: both answers, as lines, as columns on a terminal, and while the run trains."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.cli.conftest import Cockpit
from tests.cli.results_run import finished_run, refused

PROMPT = "What does a cow say?"
# What would speak for another terminal than the one that is there.
PAINT = frozenset({"NO_COLOR", "COLUMNS", "LINES", "COLORTERM"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("made"))


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(made))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return made


def on_a_terminal(*arguments: str, columns: int) -> str:
    """What ``cockpit`` writes to a real terminal of that width."""
    parent, child = pty.openpty()
    ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "cockpit", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=child,
        stderr=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if k not in PAINT} | {"TERM": "xterm"},
    )
    os.close(child)
    written = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        written += part
    os.close(parent)
    assert process.wait() == 0
    return written.decode()


def test_both_answer_one_after_the_other(cockpit: Cockpit) -> None:
    document = cockpit("try", "--json", "small", "--max-tokens", "8", PROMPT).document
    (answer,) = document["answers"]
    assert answer["prompt"] == PROMPT and document["checkpoint"] == 4
    told = cockpit("try", "small", PROMPT, "--max-tokens", "8")
    assert told.code == 0
    base, tuned = answer["base"]["text"], answer["tuned"]["text"]
    assert base.strip() and tuned.strip()
    where = [told.out.index(part) for part in (f"> {PROMPT}", "nano, base:", "tuned, update 4:")]
    assert where == sorted(where)
    assert told.out.index(base, where[1]) < where[2] < told.out.index(tuned, where[2])


def test_two_columns_on_a_wide_terminal_and_nothing_to_obey(home: Path) -> None:
    arguments = ("try", "small", f"{PROMPT} \x9b31m\x07", "--max-tokens", "8")
    wide = on_a_terminal(*arguments, columns=100)
    assert re.search("nano, base.* {4,}.*tuned, update 4", wide)
    assert "\x07" not in wide and "\x9b" not in wide and "\ufffd" in wide
    narrow = on_a_terminal(*arguments, columns=60)
    assert "nano, base:\r\n" in narrow and "\x1b" not in narrow


def test_a_wrong_request_is_one_short_message(cockpit: Cockpit) -> None:
    refused(cockpit("try", "small", "  "), "PROMPT is empty")
    for flag, value in (("--max-tokens", "0"), ("--max-tokens", "x"), ("--temperature", "-1")):
        refused(cockpit("try", "small", PROMPT, flag, value), flag)
    refused(cockpit("try", "small", "--checkpoint", "9"), "none after update 9")


def test_it_works_while_the_run_trains_and_does_not_hurt_it(
    cockpit: Cockpit, short: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "other"))
    flags = ["1000000" if flag == "6" else flag for flag in short]
    name = cockpit("train", *flags, "--detach", "--json").document["run"]
    try:
        deadline = time.monotonic() + 120
        while not cockpit("show", name, "--json").document["checkpoints"]:
            assert time.monotonic() < deadline
        done = cockpit("try", name, PROMPT, "--max-tokens", "4", "--json")
        assert done.code == 0, done.err
        assert done.document["checkpoint"] >= 3
        assert cockpit("runs", "--json").document["runs"][0]["status"] == "running"
    finally:
        cockpit("stop", name)
        cockpit("attach", name, "--json")
