"""Resuming from the interface, with the real supervisor and the real trainer."""

from __future__ import annotations

import pytest

from cockpit.core import events as ev
from cockpit.system import observe, run_dir
from cockpit.ui.screens.run import RunScreen
from tests.ui.conftest import (
    add_event,
    living_run,
    opened,
    screen_text,
    until,
    until_gone,
    until_shown,
)
from tests.ui.test_journeys import launched, no_run_is_left_behind, wait_until_over

__all__ = ["no_run_is_left_behind"]


@pytest.fixture
def stopped() -> run_dir.RunDir:
    """A run that was stopped with a checkpoint behind it."""
    from cockpit.system import control

    run = launched(iters=2000)
    import time

    while not observe.current_state(run).update:
        time.sleep(0.05)
    control.stop(run)
    assert wait_until_over(run) == "stopped"
    return run


async def test_a_stopped_run_says_how_to_go_on_and_does(stopped: run_dir.RunDir) -> None:
    before = observe.current_state(stopped).update
    async with opened(stopped) as pilot:
        await until_shown(pilot, "■ stopped", "R resumes it", "R Resume")
        await pilot.press("R")
        text = await until_shown(pilot, f"Resume {stopped.name}?", "Inherited")
        assert f"after update {before} of 2000" in text
        await pilot.press("enter")
        await until_shown(pilot, "● running", "attempt 2")
        await until_gone(pilot, "R Resume")
        await pilot.press("s")
        await until_shown(pilot, f"Stop {stopped.name}?")
        await pilot.press("s")
        await until_shown(pilot, "■ stopped", "R resumes it")
    assert observe.current_state(stopped).update > before


async def test_the_list_offers_it_and_shows_the_run(stopped: run_dir.RunDir) -> None:
    async with opened("runs") as pilot:
        await until_shown(pilot, "■ stopped", "R Resume")
        await pilot.press("R")
        await until_shown(pilot, f"Resume {stopped.name}?")
        await pilot.press("escape")
        await until_gone(pilot, "Inherited")
        assert len(stopped.attempts()) == 1
        await pilot.press("R", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        await until_shown(pilot, "● running", "attempt 2")


async def test_no_resume_for_what_runs_or_is_complete() -> None:
    run = living_run()
    async with opened(run) as pilot:
        await until_shown(pilot, "● running")
        assert "R Resume" not in screen_text(pilot)
        add_event(run, ev.Ended(status="completed", update=100))
        await until_shown(pilot, "✓ completed")
        assert "R Resume" not in screen_text(pilot)


async def test_a_run_without_a_checkpoint_says_so_and_starts_nothing() -> None:
    run = living_run()
    add_event(run, ev.Ended(status="failed", update=20, title="It broke"))
    async with opened("runs") as pilot:
        await until_shown(pilot, "✗ failed", "R Resume")
        await pilot.press("R")
        await until_shown(pilot, "c Copy", "checkpoint")
        assert len(run.attempts()) == 1
