"""Real run directories for the interface to watch, and a way to wait for what it shows."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.embedded import DEMO_PLAN, demo_data_path
from cockpit.system import jsonl, process, run_dir, run_lock
from cockpit.system.run_dir import RunDir
from cockpit.ui.app import CockpitApp

GIVE_UP_SECONDS = 60.0
SMALL = (80, 24)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and cache, and a terminal with colours."""
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name in ("SSH_CONNECTION", "COLORFGBG", "COCKPIT_THEME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def demo_plan(**changes: object) -> RunPlan:
    fields = {"model": "nano", "data": str(demo_data_path()), **DEMO_PLAN, **changes}
    return RunPlan.model_validate(fields)


def started(update: int = 0, updates: int = 100) -> ev.Started:
    """This test's own process as the trainer, so that the run is alive."""
    identity = process.identity(os.getpid())
    assert identity is not None
    return ev.Started(
        attempt=1, pid=identity[0], pid_created=identity[1], update=update, updates=updates,
        device="test device",
    )  # fmt: skip


def updated(update: int, loss: float = 1.0, **changes: object) -> ev.Updated:
    fields = {
        "update": update, "epoch": update / 50, "loss": loss, "learning_rate": 1e-4,
        "tokens": 100, "trained_tokens": 100 * update, "seconds": 0.1, "tokens_per_second": 1000.0,
        "active_bytes": 400_000_000, "peak_bytes": 900_000_000, "cache_bytes": 0,
    }  # fmt: skip
    return ev.Updated.model_validate(fields | changes)


def write_run(
    events: Iterable[ev.TrainerEvent],
    *,
    plan: RunPlan | None = None,
    forecast: dict[str, object] | None = None,
    log: str = "",
) -> RunDir:
    """A run directory whose trainer has said ``events``."""
    run = run_dir.create(plan or demo_plan(), forecast)
    attempt = run.attempt(1)
    attempt.trainer_events.write_bytes(b"".join(event.line() for event in events))
    attempt.log.write_text(log)
    return run


def add_event(run: RunDir, event: ev.TrainerEvent) -> None:
    jsonl.append(run.attempt(1).trainer_events, event.line())


def living_run(updates: int = 20) -> RunDir:
    """A run in the middle of its training."""
    curve = [updated(i, 4.0 / i) for i in range(1, updates + 1)]
    return write_run([started(), ev.PhaseChanged(phase="training"), *curve])


@pytest.fixture
def recovering_run() -> Iterator[RunDir]:
    """One that ran out of memory under ``on_oom = auto``, with this process for a supervisor."""
    gone = started().model_copy(update={"pid": 2**22 + 1, "pid_created": 1.0})
    run = write_run([gone, updated(1)], plan=demo_plan(on_oom="auto"))
    title = "The kernel killed the trainer: out of memory"
    found = ev.Diagnosis(kind="memory_kill", title=title)
    killed = ev.TrainerExited(attempt=1, signal="SIGKILL", diagnosis=found)
    jsonl.append(run.supervisor_events, killed.line())
    lock = run_lock.acquire(run)
    assert lock is not None
    yield run
    os.close(lock)


@asynccontextmanager
async def opened(
    start: object = "choose", size: tuple[int, int] = SMALL, plan: RunPlan | None = None
) -> AsyncIterator[Pilot[None]]:
    """The interface in a terminal of that size, past its first paint; the form with ``plan``."""
    app = CockpitApp(start, plan)  # type: ignore[arg-type]
    app.NOTIFICATION_TIMEOUT = GIVE_UP_SECONDS  # a busy machine must not miss a notice
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: len(app.screen_stack) > 1)
        yield pilot


def screen_text(pilot: Pilot[None]) -> str:
    """What the terminal shows now, line by line."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(strip.text for strip in row) for row in strips)


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Waits until ``condition`` holds; fails with the screen if it never does."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain; the screen:\n{screen_text(pilot)}")
        await pilot.pause(0.02)


async def until_shown(pilot: Pilot[None], *texts: str) -> str:
    """Waits until all ``texts`` are on the screen, and returns the whole of it."""
    await until(pilot, lambda: all(text in screen_text(pilot) for text in texts))
    return screen_text(pilot)


async def until_gone(pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text not in screen_text(pilot))
