"""Runs whose trainer is ``stand_in.py``, in a home of their own, with nothing left behind."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState
from cockpit.system import jsonl, launcher, process, run_dir, run_lock
from cockpit.system.observe import current_state
from cockpit.system.run_dir import RunDir

STAND_IN = Path(__file__).with_name("stand_in.py")
PLAN = RunPlan(model="nano", data="/nowhere", iters=1_000_000)
PATIENCE_SECONDS = 60.0

T = TypeVar("T")
E = TypeVar("E", bound=ev.Event)


def wait_until(found: Callable[[], T | None], what: str) -> T:
    """The first true answer; fails the test if there is none for a long while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := found()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
    return answer


class Supervised:
    """A run and what its tests ask about it."""

    def __init__(self, run: RunDir):
        self.run = run

    def launch(self) -> None:
        launcher.launch(self.run)

    def state(self) -> RunState:
        return current_state(self.run)

    def until(self, status: str) -> RunState:
        def reached() -> RunState | None:
            state = self.state()
            return state if state.status == status else None

        return wait_until(reached, f"status {status}, it is {self.state().status}")

    def until_over(self) -> list[ev.Event]:
        """Waits for the supervisor to have gone, and returns what supervisors wrote."""
        wait_until(lambda: self.of(ev.SupervisorEnded), "the supervisor's end")
        wait_until(lambda: not run_lock.is_held(self.run), "the supervisor's exit")
        return self.records()

    def records(self) -> list[ev.Event]:
        """supervisor.jsonl without the memory samples."""
        events = map(ev.parse_event, jsonl.Tail(self.run.supervisor_events).read())
        return [e for e in events if e is not None and not isinstance(e, ev.MemorySampled)]

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.records() if isinstance(event, kind)]

    def trainers_started(self) -> int:
        """How many trainers came up, by their own account."""
        lines = [
            line
            for attempt in self.run.attempts()
            for line in jsonl.Tail(attempt.trainer_events).read()
        ]
        return sum(isinstance(ev.parse_event(line), ev.Started) for line in lines)

    def end_processes(self) -> None:
        for event in self.records():
            if isinstance(event, ev.SupervisorStarted | ev.TrainerStarted):
                process.send_signal((event.pid, event.pid_created), signal.SIGKILL)
        wait_until(lambda: not run_lock.is_held(self.run), "the supervisor's death")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    monkeypatch.setenv("COCKPIT_TRAINER_COMMAND", shlex.join([sys.executable, str(STAND_IN)]))
    monkeypatch.setenv("COCKPIT_GRACE_SECONDS", "0.5")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    return tmp_path


@pytest.fixture
def supervised(home: Path) -> Iterator[Supervised]:
    it = Supervised(run_dir.create(PLAN))
    yield it
    it.end_processes()
