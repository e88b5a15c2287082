"""Whole journeys on the embedded model, with the real supervisor and the real trainer."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from cockpit.core.run_state import ACTIVE
from cockpit.system import control, launcher, observe, preflight, run_dir, summary
from cockpit.system.run_dir import RunDir
from cockpit.ui.widgets.status import Headline
from tests.ui.conftest import GIVE_UP_SECONDS, demo_plan, opened, until, until_shown

JOURNEY_SECONDS = 120.0


@pytest.fixture(autouse=True)
def no_run_is_left_behind(home: object) -> Iterator[None]:
    yield
    for run in run_dir.all_runs():
        state = observe.current_state(run)
        for identity in (state.supervisor, state.trainer):
            if state.active and identity is not None:
                os.kill(identity[0], signal.SIGKILL)


def launched(**changes: object) -> RunDir:
    run = run_dir.create(preflight.prepare(demo_plan(**changes)))
    launcher.launch(run)
    return run


def wait_until_over(run: RunDir) -> str:
    deadline = time.monotonic() + JOURNEY_SECONDS
    while (status := observe.summary(run).status) in ACTIVE:
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    return status


async def test_launch_watch_detach_attach_and_stop() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("tab", *["down"] * 9, *"5000", "enter")  # iters: longer than the test
        await until_shown(pilot, "ready to launch", "5000")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: pilot.app.screen.query(Headline))
        await until_shown(pilot, "● running", "of 5,000 updates", "budget")
        (run,) = run_dir.all_runs()
        assert run.attempt(1).forecast() is not None

        await pilot.press("d")
        await until_shown(pilot, "Training goes on", run.name, "● running")
        await pilot.press("enter")
        await until_shown(pilot, "● running", "of 5,000 updates")
        await until(pilot, lambda: summary.digest(run).update)  # something to keep

        await pilot.press("s")
        await until_shown(pilot, f"Stop {run.name}?")
        await pilot.press("s")
        await until_shown(pilot, "■ stopped")
    assert observe.summary(run).status == "stopped"
    assert (run.adapters / "adapters.safetensors").is_file()


async def test_a_paused_run_stays_paused_without_the_cockpit_and_resumes_from_another() -> None:
    run = launched(iters=5000)
    async with opened(run) as pilot:
        await until_shown(pilot, "● running")
        await pilot.press("p")
        await until_shown(pilot, "‖ paused", "p Resume")
    async with opened(run) as pilot:
        await until_shown(pilot, "‖ paused")
        await pilot.press("p")
        await until_shown(pilot, "● running", "p Pause")
    control.stop(run)
    assert wait_until_over(run) == "stopped"


async def test_quitting_asks_while_a_run_is_alive_and_not_otherwise() -> None:
    run = launched(iters=5000)
    async with opened("runs") as pilot:
        await until_shown(pilot, "● running")
        await pilot.press("q")
        await until_shown(pilot, "Training goes on in the background", f"cockpit attach {run.name}")
        await pilot.press("n")
        await until_shown(pilot, "● running")
        control.stop(run)
        await until_shown(pilot, "■ stopped")
        await pilot.press("q")
        await until(pilot, lambda: not pilot.app.is_running)


def test_the_terminal_says_how_to_come_back_after_the_cockpit_is_left() -> None:
    run = launched(iters=5000)
    shown = in_a_terminal(
        [sys.executable, "-m", "cockpit", "attach", run.name], "running", "q", "y"
    )
    assert f"cockpit attach {run.name}" in shown.rpartition("\x1b[?1049l")[2]
    assert observe.summary(run).status in ACTIVE
    control.stop(run)
    assert wait_until_over(run) == "stopped"


def test_killing_the_cockpit_does_not_touch_the_run() -> None:
    run = launched(iters=5000)
    in_a_terminal([sys.executable, "-m", "cockpit", "attach", run.name], "running", kill=True)
    before = observe.current_state(run).update
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while observe.current_state(run).update <= before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    control.stop(run)
    assert wait_until_over(run) == "stopped"


def in_a_terminal(command: list[str], marker: str, *keys: str, kill: bool = False) -> str:
    """Everything a terminal of 80 x 24 receives: until ``marker``, and after each key."""
    ours, theirs = pty.openpty()
    subprocess.run(["stty", "rows", "24", "cols", "80"], stdin=theirs, check=True)
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = _read_until(ours, marker)
    if kill:
        child.kill()
    for key, answer in zip(keys, ["attach", "attach"], strict=False):
        os.write(ours, key.encode())
        shown += _read_until(ours, answer)
    child.wait(GIVE_UP_SECONDS)
    os.close(ours)
    return shown


def _read_until(terminal: int, marker: str) -> str:
    shown = ""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while marker not in shown and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 1 << 16).decode("utf-8", "replace")
            except OSError:
                break
    assert marker in shown, shown[-2000:]
    return shown
