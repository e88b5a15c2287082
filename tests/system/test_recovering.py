"""What goes on by itself after a lack of memory, and what a person's stop does to that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.core.samples import MemorySample
from cockpit.errors import CockpitError
from cockpit.supervisor.journal import Journal
from cockpit.system import control, jsonl, process, resume, run_dir, run_lock
from cockpit.system.asked import GUARD
from cockpit.system.observe import RunWatcher
from cockpit.system.run_dir import RunDir
from cockpit.system.summary import digest

KILLED = ev.TrainerExited(
    attempt=1,
    signal="SIGKILL",
    diagnosis=ev.Diagnosis(kind="memory_kill", title="The kernel killed the trainer"),
)
GUARDED = ev.Guarded(attempt=1, level="stop", title="Memory is about to run out")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDir]:
    """One whose trainer is gone, and whose supervisor is this process."""
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    made = run_dir.create(RunPlan(model="nano", data="x", on_oom="auto"))
    lock = run_lock.acquire(made)
    assert lock is not None
    started = ev.Started(attempt=1, pid=2**22 + 1, pid_created=1.0, updates=10, device="x")
    jsonl.append(made.attempt(1).trainer_events, started.line())
    me = process.identity(os.getpid())
    assert me is not None
    Journal(made.supervisor_events).write(ev.SupervisorStarted(pid=me[0], pid_created=me[1]))
    yield made
    os.close(lock)


def end(run: RunDir, *events: ev.SupervisorEvent) -> None:
    for event in events:
        Journal(run.supervisor_events).write(event)


def test_a_death_of_memory_under_a_supervisor_is_not_the_end(run: RunDir) -> None:
    watcher = RunWatcher(run)
    watcher.poll()
    end(run, KILLED)
    assert watcher.poll().status == digest(run).status == "recovering"
    end(run, ev.RecoveryRefused(attempt=1, title="Nothing fits"))
    assert watcher.poll().status == digest(run).status == "failed"
    assert watcher.state.diagnosis == KILLED.diagnosis


def test_another_end_is_the_end(run: RunDir) -> None:
    end(run, KILLED.model_copy(update={"diagnosis": ev.Diagnosis(kind="other", title="Oh")}))
    assert digest(run).status == "failed"


def test_a_stop_during_the_recovery_is_taken_and_ends_it(run: RunDir) -> None:
    end(run, KILLED)
    assert "no way on" in control.stop(run)
    assert digest(run).status == "failed"


def test_a_stop_after_the_guard_s_counts_and_the_guard_s_alone_does_not(run: RunDir) -> None:
    end(run, GUARDED)
    control.send(run, "stop", sender=GUARD)
    ended = ev.Ended(status="stopped", update=3)
    jsonl.append(run.attempt(1).trainer_events, ended.line())
    assert digest(run).status == "recovering"
    control.send(run, "stop", sender="me")
    assert digest(run).status == "stopped"


def test_only_the_child_of_the_newest_supervisor_may_recover_meanwhile(run: RunDir) -> None:
    """However long ago that one started."""
    samples = [ev.MemorySampled(sample=MemorySample(ram_total_bytes=1))] * 500
    end(run, *samples)
    end(run, ev.SupervisorStarted(pid=os.getppid(), pid_created=1.0), *samples, KILLED)
    resume.refuse_if_alive(run)
    end(run, ev.SupervisorStarted(pid=os.getpid(), pid_created=1.0))
    with pytest.raises(CockpitError, match="still going on"):
        resume.refuse_if_alive(run)


def test_the_attempt_that_goes_on_is_starting(run: RunDir) -> None:
    watcher = RunWatcher(run)
    end(run, KILLED)
    assert watcher.poll().status == "recovering"
    run_dir.add_attempt(run, run.plan(), resume={"checkpoint": ""})
    state = watcher.poll()
    assert (state.status, state.attempt) == (digest(run).status, digest(run).attempt)
    assert (state.status, state.attempt) == ("starting", 2)
