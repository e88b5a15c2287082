"""The interface walked through as a newcomer does, with a picture at each stop.

Everything in the pictures is real: runs are launched from the Choose screen with the real
supervisor and trainer, and the one that runs out of memory meets a limit that the kernel keeps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from cockpit.core.plan import RunPlan
from cockpit.system import observe, plan_file, run_dir
from cockpit.system.run_dir import RunDir
from cockpit.ui.app import CockpitApp, StartScreen
from cockpit.ui.screens.choose import ChooseScreen
from cockpit.ui.screens.run import RunScreen
from cockpit.ui.widgets.estimate import Estimate
from cockpit.ui.widgets.runs_table import RunsTable
from tests.oom.limits import AddressSpace, cgroup

GIVE_UP_SECONDS = 900.0
# Enough of the run to see the curve fall and a validation or two.
SHARE_DONE = 0.65


@dataclass
class Tour:
    """Where the pictures go, how large they are, and those taken."""

    folder: Path
    size: tuple[int, int]
    theme: str | None = None
    taken: list[Path] = field(default_factory=list)

    @asynccontextmanager
    async def cockpit(
        self, start: StartScreen | RunDir, plan: RunPlan | None = None
    ) -> AsyncIterator[Pilot[None]]:
        app = CockpitApp(start, plan)
        async with app.run_test(size=self.size) as pilot:
            await until(pilot, lambda: len(app.screen_stack) > 1)
            if self.theme is not None:
                app.theme = self.theme
            yield pilot

    def take(self, pilot: Pilot[None], name: str) -> None:
        path = self.folder / f"{name}.svg"
        path.write_text(pilot.app.export_screenshot(title="cockpit", simplify=True))
        self.taken.append(path)


async def first_run(tour: Tour, plan: RunPlan) -> None:
    """The forecast before the launch, the run while it trains, and what it learned."""
    async with tour.cockpit("choose", plan) as pilot:
        app = pilot.app
        await until(pilot, lambda: app.screen.query(Estimate))
        await until(pilot, lambda: is_traced(app.screen.query_one(Estimate)))
        choose = app.screen
        assert isinstance(choose, ChooseScreen)
        await until(pilot, lambda: is_searched(choose))
        await pilot.press("tab", *["down"] * 5)
        await pilot.pause()
        tour.take(pilot, "choose")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await pilot.press("l")
        await until(pilot, lambda: (screen.view.share_done or 0.0) >= SHARE_DONE)
        tour.take(pilot, "run")
        await until(pilot, lambda: not screen.view.state.active)
        await pilot.press("T")
        await until_shown(pilot, "enter asks both models")
        await pilot.press("enter")
        await until(pilot, lambda: screen_text(pilot).count(" tokens, ") == 2)
        tour.take(pilot, "try")


async def out_of_memory(tour: Tour, plan: RunPlan, limit_bytes: int) -> RunDir:
    """A run that the kernel lets die, the ways on, and the run after one of them was taken."""
    limit = cgroup() or AddressSpace(tour.folder)
    command = limit.command(limit_bytes)
    try:
        run = killed(plan, command)
        os.environ["COCKPIT_TRAINER_COMMAND"] = command
        async with tour.cockpit(run) as pilot:
            await until_shown(pilot, "failed")
            await pilot.press("R")
            await until_shown(pilot, "fits")
            tour.take(pilot, "recover")
            await pilot.press("enter")
            await until_shown(pilot, "attempt 2")
            await until(pilot, lambda: not observe.current_state(run).active)
    finally:
        os.environ.pop("COCKPIT_TRAINER_COMMAND", None)
        limit.close()
    return run


def killed(plan: RunPlan, trainer_command: str) -> RunDir:
    """A run of ``plan`` that ran out of memory."""
    told = trained(plan, COCKPIT_TRAINER_COMMAND=trainer_command)
    if told.get("status") != "failed":
        raise SystemExit(f"it was to run out of memory, and it is {told.get('status')}")
    return run_dir.find(told["run"])


def trained(plan: RunPlan, **environment: str) -> dict[str, Any]:
    """What the command line says of a run of ``plan`` once it is over."""
    path = Path("asked.toml")
    plan_file.write(plan, path)
    done = subprocess.run(
        [sys.executable, "-m", "cockpit", "train", str(path), "--anyway", "--json"],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


async def all_runs(tour: Tour, plan: RunPlan) -> None:
    """The list, while one more run goes on; two runs side by side, alike but for their rate."""
    for rate in (1e-4, 5e-4):
        trained(plan.with_changes(learning_rate=rate, lr_schedule=None))
    async with tour.cockpit("choose", plan) as pilot:
        app = pilot.app
        await until(pilot, lambda: app.screen.query(Estimate))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("r")
        await until(pilot, lambda: app.screen.query(RunsTable))
        table = app.screen.query_one(RunsTable)
        await until(pilot, lambda: table.runs and table.runs[0].summary.status == "running")
        await until(pilot, lambda: table.runs[0].summary.final_train_loss is not None)
        tour.take(pilot, "runs")
        await pilot.press("down", "space", "down", "space", "c")
        await until_shown(pilot, "Side by side", "learning_rate")
        tour.take(pilot, "compare")


async def data(tour: Tour, folder: Path, model: str) -> None:
    """What a data set would do to a run."""
    plan = RunPlan.model_construct(model=model, data=str(folder))
    async with tour.cockpit("choose", plan) as pilot:
        await until(pilot, lambda: pilot.app.screen.query(Estimate))
        await pilot.press("D")
        await until_shown(pilot, "can be trained on")
        tour.take(pilot, "data")


def is_traced(estimate: Estimate) -> bool:
    settled = not (estimate.waiting or estimate.tracing or estimate.stale)
    return settled and estimate.forecast is not None and estimate.forecast.method == "trace"


def is_searched(screen: ChooseScreen) -> bool:
    found = screen.inquiry.fitting
    return found is not None and found.advice.done and not screen.inquiry.fitting_stale


def screen_text(pilot: Pilot[None]) -> str:
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(strip.text for strip in row) for row in strips)


async def until_shown(pilot: Pilot[None], *texts: str) -> None:
    await until(pilot, lambda: all(text in screen_text(pilot) for text in texts))


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"the interface did not get there:\n{screen_text(pilot)}")
        await pilot.pause(0.1)
