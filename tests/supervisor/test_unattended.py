"""``on_oom = auto``: the supervisor that saw the death goes on by itself, or says why not."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.embedded import demo_data_path
from cockpit.errors import CockpitError
from cockpit.memory import situation
from cockpit.system import (
    control,
    death,
    dialogue,
    recoveries,
    removal,
    resume,
    run_dir,
    summary,
    warm_up,
)
from tests.supervisor.conftest import Supervised, wait_until

STARVING = Path(__file__).with_name("starving.py")
PLAN = RunPlan(model="nano", data=str(demo_data_path()), iters=1_000_000, batch_size=8)

Start = Callable[..., Supervised]


@pytest.fixture
def start(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Launches a run whose trainer starves."""
    monkeypatch.setenv("COCKPIT_TRAINER_COMMAND", shlex.join([sys.executable, str(STARVING)]))
    started: list[Supervised] = []

    def launch(**fields: object) -> Supervised:
        started.append(Supervised(run_dir.create(PLAN.with_changes(**fields))))
        started[-1].launch()
        return started[-1]

    yield launch
    for it in started:
        it.end_processes()


def pricing(it: Supervised) -> psutil.Process | None:
    """The child that forecasts for the supervisor, while it does."""
    if not any(note.message.startswith("Out of memory: looking") for note in it.of(ev.Note)):
        return None
    (supervisor,) = it.of(ev.SupervisorStarted)
    return next(iter(psutil.Process(supervisor.pid).children()), None)


def test_one_supervisor_goes_on_with_the_first_rung_that_fits(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first checkpoint, and small all the while."""
    monkeypatch.setenv("STARVING", "grad_checkpoint")
    it = start(on_oom="auto")
    state = it.until("running")
    while state.attempt < 2:
        state = it.until("running")
    (recovered,) = it.of(ev.Recovered)
    taken = recovered.recovery
    assert recovered.attempt == 2 and taken.automatic
    assert (taken.rung, taken.changes) == ("grad_checkpoint", {"grad_checkpoint": True})
    assert (taken.after_attempt, taken.from_update, taken.lost_updates) == (1, 0, 3)
    assert taken.cause == "The GPU ran out of memory"
    assert taken.forecast_bytes and taken.budget_bytes
    assert taken.forecast_bytes <= taken.budget_bytes
    (exited,) = it.of(ev.TrainerExited)
    assert exited.high_water_bytes and exited.high_water_bytes > 300 * 2**20
    (supervisor,) = it.of(ev.SupervisorStarted)
    assert psutil.Process(supervisor.pid).memory_info().rss < 40 * 2**20
    assert it.run.plan_of(it.run.attempt(2)).grad_checkpoint
    assert recoveries.of(it.run.attempt(2)) == taken
    control.send(it.run, "stop")
    it.until_over()
    assert it.state().status == "stopped"


def test_it_stops_trying_where_it_gets_no_further(start: Start) -> None:
    it = start(on_oom="auto", max_recoveries=1)
    it.until_over()
    assert len(it.of(ev.Recovered)) == 1 and it.trainers_started() == 2
    (refused,) = it.of(ev.RecoveryRefused)
    assert refused.attempt == 2 and "max_recoveries is 1" in refused.message
    assert "cockpit recover" in refused.remedy
    state = it.state()
    assert state.status == "failed" and state.refused == refused


def test_a_supervisor_that_dies_while_it_prices_leaves_the_truth_and_the_choice(
    start: Start,
) -> None:
    """Its forecasting child finds nobody to tell, and adds no attempt."""
    it = start(on_oom="auto")
    child = wait_until(lambda: pricing(it), "the forecasts")
    it.end_processes()
    child.wait()
    state = it.state()
    assert (state.status, state.attempt, len(it.run.attempts())) == ("failed", 1, 1)
    assert not it.of(ev.RecoveryRefused) and not it.of(ev.Recovered)
    found = situation.examine(it.run)
    assert found.cure == "memory" and found.diagnosis.title == "The GPU ran out of memory"


def test_a_run_that_looks_for_its_way_on_is_alive_and_can_be_stopped(start: Start) -> None:
    it = start(on_oom="auto")
    child = wait_until(lambda: pricing(it), "the forecasts")
    child.suspend()
    assert it.state().status == "recovering" and it.state().active
    assert summary.summary(it.run).document()["status"] == "recovering"
    for attempted in (removal.delete, resume.prepare, situation.examine):
        with pytest.raises(CockpitError, match="still going on") as raised:
            attempted(it.run)
        assert "is recovering" in raised.value.message
    with pytest.raises(CockpitError, match="A run is training now"):
        warm_up.check(PLAN)
    with pytest.raises(CockpitError, match="Nobody is there to obey"):
        dialogue.ask(it.run, "pause")
    assert "no way on" in control.stop(it.run, sender="me")
    it.until_over()
    child.wait()
    assert len(it.run.attempts()) == it.trainers_started() == 1
    state = it.state()
    assert state.status == "failed" and state.refused is None
    assert control.stop(it.run) == "nothing to stop: the run is failed"
    assert situation.examine(it.run).cure == "memory", "a person may choose a way on later"


def test_a_stop_that_comes_as_the_way_on_is_found_takes_it_back(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARVING", "grad_checkpoint")
    it = start(on_oom="auto")
    wait_until(lambda: pricing(it), "the forecasts")
    supervisor = psutil.Process(it.of(ev.SupervisorStarted)[0].pid)
    supervisor.suspend()
    wait_until(lambda: len(it.run.attempts()) == 2, "the attempt that goes on")
    control.send(it.run, "stop", sender="me")
    supervisor.resume()
    it.until_over()
    assert len(it.run.attempts()) == it.trainers_started() == 1
    assert it.state().status == "failed"


def test_it_asks_unless_it_was_told_otherwise(start: Start) -> None:
    it = start()
    it.until_over()
    assert it.trainers_started() == 1
    assert not it.of(ev.Recovered) and not it.of(ev.RecoveryRefused)


def test_a_stop_by_the_guard_is_a_lack_of_memory_and_one_by_a_person_is_not(start: Start) -> None:
    it = start()
    it.until_over()
    state = it.state()
    state.status = "stopped"
    assert death.diagnosis_of(it.run, state) is None
    state.guard = ev.Guarded(attempt=1, level="warn", title="Memory is short")
    assert death.diagnosis_of(it.run, state) is None
    state.guard = ev.Guarded(attempt=1, level="stop", title="Memory is short", evidence=("9 of 9",))
    found = death.diagnosis_of(it.run, state)
    assert found is not None and (found.kind, found.evidence) == ("guard", ("9 of 9",))
