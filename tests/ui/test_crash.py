"""The interface itself fails: three lines for the person, everything else in a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from textual.worker import WorkerFailed

from cockpit.ui import crash

# The real program, with one method of one screen broken.
BROKEN = """
from cockpit.ui.screens.{module} import {screen}
def fail(self):
    secret = "a local variable nobody asked for"
    raise KeyError("what the bug says")
{screen}.on_mount = fail
from cockpit.ui.app import CockpitApp
run = CockpitApp.run
CockpitApp.run = lambda self, **options: run(self, headless=True)
from cockpit import cli
cli.interface.on_a_terminal = lambda: True
raise SystemExit(cli.run([]))
"""


def test_a_crash_is_three_lines_and_a_log(home: Path) -> None:
    code = BROKEN.format(module="choose", screen="ChooseScreen")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    said = (done.stdout + done.stderr).strip().splitlines()
    assert done.returncode == 1
    assert len(said) == 3, said
    assert "KeyError: 'what the bug says'" in said[0]
    assert str(home / "logs" / "cockpit-crash.log") in said[1]
    assert "goes on" in said[2]
    logged = (home / "logs" / "cockpit-crash.log").read_text()
    assert "Traceback" in logged and "in fail" in logged


def test_the_log_is_appended_to_and_bounded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash, "KEPT_BYTES", 2000)
    for number in range(50):
        crash.report(ValueError(f"failure {number}"))
    logged = crash.log_path().read_bytes()
    assert len(logged) <= 2000
    assert b"failure 48" in logged and b"failure 49" in logged and b"failure 1\n" not in logged


def test_what_failed_in_a_worker_is_named_itself(home: Path) -> None:
    assert "ValueError: within" in crash.report(WorkerFailed(ValueError("within"))).title


def test_a_home_that_cannot_be_written_is_said(home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where the folder should be")
    error = crash.report(ValueError("x\x1b[31m"))
    assert "could not be written" in error.message and "\x1b" not in error.title
