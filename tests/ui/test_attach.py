"""Attaching to a run whose supervisor died: a new one adopts its trainer."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.system import launcher, process, run_dir, run_lock
from tests.supervisor.conftest import STAND_IN, Supervised, wait_until
from tests.ui.conftest import demo_plan, opened, until, until_shown


@pytest.fixture
def supervised(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervised]:
    """A run that trains, by a trainer without mlx."""
    monkeypatch.setenv("COCKPIT_TRAINER_COMMAND", shlex.join([sys.executable, str(STAND_IN)]))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    it = Supervised(run_dir.create(demo_plan()))
    it.launch()
    it.until("running")
    yield it
    it.end_processes()


def kill_the_supervisor(supervised: Supervised) -> None:
    supervisor = supervised.state().supervisor
    assert supervisor is not None and process.send_signal(supervisor, signal.SIGKILL)
    wait_until(lambda: not run_lock.is_held(supervised.run), "the supervisor's death")


async def test_attaching_replaces_a_dead_supervisor(supervised: Supervised) -> None:
    before = supervised.state()
    kill_the_supervisor(supervised)
    async with opened("runs") as pilot:
        await until_shown(pilot, supervised.run.name, "running")
        await pilot.press("enter")
        await until_shown(pilot, "● running", "p Pause")
        await until_shown(pilot, "a new one watches over it")
        await until(pilot, lambda: supervised.state().supervisor != before.supervisor)
        after = supervised.state()
        assert run_lock.is_held(supervised.run) and process.is_alive(after.supervisor)
        assert (after.trainer, supervised.trainers_started()) == (before.trainer, 1)
        seen = after.update
        await until(pilot, lambda: supervised.state().update > seen)


async def test_the_run_is_shown_while_its_supervisor_is_being_replaced(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_the_supervisor(supervised)
    shown: list[bool] = []
    replace = launcher.replace_dead_supervisor

    def held_up(run: run_dir.RunDir) -> bool:
        wait_until(lambda: shown, "the run's screen")
        return replace(run)

    monkeypatch.setattr(launcher, "replace_dead_supervisor", held_up)
    async with opened("runs") as pilot:
        await until_shown(pilot, supervised.run.name)
        await pilot.press("enter")
        await until_shown(pilot, "● running", "p Pause")
        shown.append(True)
        await until_shown(pilot, "a new one watches over it")


async def test_a_living_supervisor_is_left_alone(supervised: Supervised) -> None:
    before = supervised.state().supervisor
    async with opened("runs") as pilot:
        await until_shown(pilot, supervised.run.name)
        await pilot.press("enter")
        await until_shown(pilot, "● running", "p Pause")
        await pilot.app.workers.wait_for_complete()
        assert supervised.state().supervisor == before
