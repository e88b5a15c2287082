"""``t`` in Choose: a few real updates, called off by a key, refused where they would not fit."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from cockpit.system import run_dir, timings, warm_up
from tests.ui.conftest import demo_plan, opened, screen_text, until, until_gone, until_shown

# Not even the trainer's own process fits.
SMALL_MACHINE = 'title = "Small"\nbackend = "cpu"\nram = "20 MB"\nsystem_reserved = "11 MB"\n'


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_up, "ENOUGH_SECONDS", 0.0)


def trainers() -> list[int]:
    """Processes that time a plan, as far as they are still alive."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "cockpit.trainer.warm_up" in (child.as_dict(["cmdline"])["cmdline"] or ()):
                found.append(child.pid)
    return found


async def test_a_plan_is_timed_and_the_time_is_there_to_stay() -> None:
    plan = demo_plan(sample_prompts=[], iters=4)
    async with opened(plan=plan) as pilot:
        await until_shown(pilot, "ready to launch", "t times a few updates", "t Time it")
        await pilot.press("t")
        await until_shown(pilot, "Timing this plan", "esc Call it off")
        await until_shown(pilot, "measured by a warm-up of 3 updates", "an update")
        assert "Timing this plan" not in screen_text(pilot)
        assert run_dir.all_runs() == [] and trainers() == []
    async with opened(plan=plan.with_changes(iters=400)) as pilot:
        await until_shown(pilot, "measured by a warm-up of 3 updates")


async def test_escape_calls_it_off_and_leaving_the_cockpit_ends_it() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("t")
        await until_shown(pilot, "starting the trainer")
        await pilot.press("escape")
        await until_gone(pilot, "Timing this plan")
        await until(pilot, lambda: not trainers())
        await until_shown(pilot, "t times a few updates")
        await pilot.press("t")
        await until(pilot, trainers)
        await pilot.press("ctrl+q")
    assert trainers() == [] and timings.records() == []


async def test_what_does_not_fit_is_not_tried(home: Path) -> None:
    (home / "profiles").mkdir(parents=True)
    machine = SMALL_MACHINE.replace('"11 MB"', '"19 MB"')
    (home / "profiles" / "this-machine.toml").write_text(machine)
    async with opened(size=(120, 40)) as pilot:
        await until_shown(pilot, "does not fit")
        await pilot.press("t")
        await until_shown(pilot, "✗ The plan is not expected to fit, so it is not timed", "→")
        assert trainers() == [] and run_dir.all_runs() == []


async def test_a_plan_that_cannot_run_says_why(tmp_path: Path) -> None:
    async with opened(plan=demo_plan(data=str(tmp_path / "nowhere"))) as pilot:
        await until_shown(pilot, "✗ data")
        await pilot.press("t")
        await until_shown(pilot, "nowhere", "→", "c Copy")
        assert trainers() == []
