"""A trainer that hangs: told, and ended if its GPU failed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.core.hang import HangRules
from cockpit.supervisor.hang import HangWatch
from cockpit.supervisor.journal import Journal
from cockpit.supervisor.progress import Progress
from cockpit.supervisor.stops import Stops
from cockpit.supervisor.trainer_process import Trainer
from cockpit.system import jsonl, process, run_dir
from cockpit.system.asked import Beginning
from tests.supervisor.conftest import PLAN, wait_until

# Makes three updates, says what it is told to, and neither goes on nor obeys.
SILENT = """
import os, signal, sys, time
from pathlib import Path
from cockpit.system.run_dir import RunDir
from tests.supervisor.stand_in import StandIn
signal.signal(signal.SIGTERM, signal.SIG_IGN)
it = StandIn(RunDir(Path(sys.argv[1])), 1, "train")
it._start()
for _ in range(3):
    it._one_update()
print(sys.argv[2], flush=True)
time.sleep(600)
"""
CUDA = "cudaMallocAsync(&data, size, stream) failed: out of memory"


class Silence:
    """A silent trainer and the watch on it, whose patience is cut to a fraction of a second."""

    def __init__(self, said: str):
        self.run = run_dir.create(PLAN)
        attempt = self.run.attempt(1)
        with attempt.log.open("ab") as log:
            command = [sys.executable, "-c", SILENT, str(self.run.path), said]
            self.child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        who = process.identity(self.child.pid)
        assert who is not None
        self.progress = Progress(attempt.trainer_events)
        wait_until(self._made_its_updates, "three updates")
        wait_until(lambda: attempt.log.read_text().strip() == said, "its last words")
        self.journal = Journal(self.run.supervisor_events)
        self.stops = Stops(self.run, Trainer(who, self.child), self.journal, Beginning())
        rules = HangRules(tick_seconds=0.02, least_seconds=0.4, least_grace_seconds=0.4)
        self.watch = HangWatch(attempt, self.progress, self.stops, self.journal, rules, 0.2)

    def _made_its_updates(self) -> bool:
        self.progress.follow()
        return self.progress.seen == 3

    def look_for(self, seconds: float) -> None:
        """Looks on for so long, or until the trainer is gone."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.child.poll() is None:
            self.watch.look()
            time.sleep(0.02)

    def written(self, kind: type[ev.Event]) -> list[ev.Event]:
        lines = jsonl.Tail(self.run.supervisor_events).read()
        return [event for line in lines if isinstance(event := ev.parse_event(line), kind)]


@pytest.fixture
def silences(home: Path) -> Iterator[list[Silence]]:
    made: list[Silence] = []
    yield made
    for silence in made:
        silence.child.kill()
        silence.child.wait()


def test_a_trainer_whose_gpu_failed_is_told_and_then_ended(silences: list[Silence]) -> None:
    silence = Silence(CUDA)
    silences.append(silence)
    silence.look_for(30.0)
    assert silence.child.wait(10) == -signal.SIGKILL
    assert silence.stops.signals_sent == ["SIGTERM", "SIGKILL"]
    (warned,) = silence.written(ev.Guarded)
    assert isinstance(warned, ev.Guarded)
    assert (warned.level, warned.title) == ("warn", "The trainer seems to hang")
    assert CUDA in warned.evidence
    assert silence.watch.found is not None and silence.watch.found.endswith(CUDA)


def test_without_an_error_of_the_gpu_it_is_told_and_left_alone(silences: list[Silence]) -> None:
    silence = Silence("Iter 3: train loss 1.2")
    silences.append(silence)
    silence.look_for(2.5)
    assert silence.child.poll() is None
    assert len(silence.written(ev.Guarded)) == 1
    assert silence.watch.found is None


def test_one_that_is_suspended_is_not_hanging(silences: list[Silence]) -> None:
    silence = Silence(CUDA)
    silences.append(silence)
    silence.child.send_signal(signal.SIGSTOP)
    silence.look_for(2.0)
    assert silence.written(ev.Guarded) == []
    assert silence.stops.signals_sent == []
