"""A run's events add up to one state, whoever reads them."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.core import events as ev
from cockpit.core.run_state import RECENT_SAMPLES, RunState, apply, with_liveness, with_recovery
from cockpit.core.samples import MemorySample


def started(attempt: int = 1, update: int = 0, t: float = 1.0, **fields: Any) -> ev.Started:
    known = {"pid": 7, "pid_created": 0.5, "updates": 10, "device": "cpu"} | fields
    return ev.Started(attempt=attempt, update=update, t=t, **known)


def updated(update: int, loss: float = 1.0, seconds: float = 0.5, **fields: Any) -> ev.Updated:
    known: dict[str, Any] = {"tokens": 50, "grad_norm": 0.1, "peak_bytes": 100} | fields
    return ev.Updated(
        update=update,
        epoch=update / 10,
        loss=loss,
        learning_rate=1e-5,
        trained_tokens=50 * update,
        seconds=seconds,
        tokens_per_second=known["tokens"] / seconds,
        active_bytes=1,
        cache_bytes=0,
        **known,
    )


def stop_accepted() -> ev.Acknowledged:
    return ev.Acknowledged(id="1", action="stop", accepted=True)


def state_of(*events: ev.Event) -> RunState:
    state = RunState()
    for event in events:
        assert apply(state, event) is state
    return state


TRAINING = (started(), ev.PhaseChanged(phase="training"), updated(1, 3.0), updated(2, 2.0))


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ((), "starting"),
        ((started(),), "starting"),
        ((started(), ev.PhaseChanged(phase="loading")), "starting"),
        ((started(), ev.PhaseChanged(phase="compiling")), "starting"),
        ((started(), ev.PhaseChanged(phase="training")), "running"),
        ((started(), ev.PhaseChanged(phase="validating")), "running"),
        (TRAINING, "running"),
        ((*TRAINING, ev.Paused(update=2)), "paused"),
        ((*TRAINING, ev.Paused(update=2), ev.Resumed(update=2)), "running"),
        ((*TRAINING, stop_accepted()), "stopping"),
        ((*TRAINING, ev.Paused(update=2), stop_accepted()), "stopping"),
        ((*TRAINING, stop_accepted(), updated(3)), "stopping"),
        ((*TRAINING, stop_accepted(), ev.PhaseChanged(phase="saving")), "stopping"),
        ((*TRAINING, stop_accepted(), ev.Resumed(update=2)), "stopping"),
        ((*TRAINING, stop_accepted(), ev.Ended(status="stopped", update=2)), "stopped"),
        ((*TRAINING, ev.Ended(status="completed", update=2)), "completed"),
        ((*TRAINING, ev.Ended(status="failed", update=2, title="NaN")), "failed"),
        ((*TRAINING, ev.TrainerExited(attempt=1, signal="SIGKILL")), "failed"),
    ],
)
def test_the_status_follows_from_the_events(events: tuple[ev.Event, ...], status: str) -> None:
    state = state_of(*events)
    assert state.status == status
    assert state.active == (status in ("starting", "running", "paused", "stopping"))
    assert state.trains == state.active


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (ev.TrainerExited(attempt=1, signal="SIGKILL"), "failed"),
        (ev.Ended(status="stopped", update=2), "stopped"),
    ],
)
def test_a_recovery_is_life_without_a_trainer_and_may_come_to_nothing(
    end: ev.Event, status: str
) -> None:
    state = with_recovery(state_of(*TRAINING, end), True)
    assert (state.status, state.active, state.trains) == ("recovering", True, False)
    assert state.eta_seconds is None
    assert with_recovery(state, False).status == status
    assert with_recovery(state, False).status == status, "it was over already"


def test_a_refused_command_changes_nothing_but_is_answered() -> None:
    refusal = ev.Acknowledged(id="9", action="stop", accepted=False, message="no")
    state = state_of(*TRAINING, refusal)
    assert state.status == "running"
    assert state.acknowledged["9"].message == "no"


def test_updates_make_the_curve() -> None:
    state = state_of(*TRAINING)
    assert state.losses == [(1, 3.0), (2, 2.0)]
    assert state.learning_rates == [(1, 1e-5), (2, 1e-5)]
    assert (state.update, state.updates) == (2, 10)
    assert state.last is not None
    assert state.last.loss == 2.0


def test_the_peak_is_the_highest_there_was() -> None:
    state = state_of(started(), updated(1, peak_bytes=300), updated(2, peak_bytes=200))
    assert state.peak_bytes == 300
    assert apply(state, ev.Ended(status="completed", update=2, peak_bytes=400)).peak_bytes == 400


def test_what_was_never_measured_is_unknown() -> None:
    state = state_of(started(), ev.Ended(status="failed", update=0))
    assert state.peak_bytes is None
    assert state.last is None
    assert state.tokens_per_second is None
    assert state.eta_seconds is None
    assert state.best_validation is None


def test_pace_and_time_left_come_from_the_last_updates() -> None:
    state = state_of(started(), *(updated(n, seconds=9.0) for n in range(1, 3)))
    for n in range(3, 23):
        apply(state, updated(n % 10, seconds=0.5, tokens=100))
    apply(state, updated(8, seconds=0.5, tokens=100))
    assert state.tokens_per_second == 200.0
    assert state.eta_seconds == 2 * 0.5


def test_a_run_that_ended_has_no_time_left_to_tell() -> None:
    assert state_of(*TRAINING).eta_seconds is not None
    assert state_of(*TRAINING, ev.Ended(status="stopped", update=2)).eta_seconds is None


def test_the_best_validation_is_the_lowest() -> None:
    losses = [3.0, 1.0, 2.0]
    found = [ev.Validated(update=n, loss=x, seconds=1, tokens=9) for n, x in enumerate(losses)]
    best = state_of(started(), *found).best_validation
    assert best is not None
    assert best.update == 1


def test_a_new_attempt_continues_the_curve_from_its_checkpoint() -> None:
    lost = [updated(n, float(n)) for n in range(1, 7)]
    state = state_of(
        started(),
        *lost,
        ev.Validated(update=4, loss=1.0, seconds=1, tokens=9),
        ev.Checkpointed(update=4, path="checkpoints/0000004", seconds=0.1, size_bytes=1),
        ev.Validated(update=6, loss=9.0, seconds=1, tokens=9),
        ev.Sampled(update=6, prompt="p", text="lost"),
        ev.TrainerExited(
            attempt=1, signal="SIGKILL", diagnosis=ev.Diagnosis(kind="oom", title="O")
        ),
        started(attempt=2, update=4, t=50.0),
    )
    assert state.status == "starting"
    assert (state.diagnosis, state.ended_at, state.end) == (None, None, None)
    assert state.losses == [(n, float(n)) for n in range(1, 5)]
    assert len(state.learning_rates) == len(state.grad_norms) == 4
    assert [v.update for v in state.validations] == [4]
    assert [c.update for c in state.checkpoints] == [4]
    assert state.samples == []
    assert state.update == 4
    assert state.started_at == 1.0
    apply(state, updated(5, 0.5))
    assert state.losses[-1] == (5, 0.5)
    assert state.status == "running"


def test_the_supervisor_may_speak_before_or_after_the_trainer() -> None:
    told = ev.TrainerStarted(attempt=1, pid=7, pid_created=0.5)
    before = state_of(told, *TRAINING)
    after = state_of(*TRAINING, told)
    assert before.status == after.status == "running"
    assert before.trainer == after.trainer == (7, 0.5)
    assert before.losses == after.losses


def test_an_exit_after_the_last_word_changes_nothing() -> None:
    said = ev.Ended(t=9.0, status="completed", update=2)
    state = state_of(*TRAINING, said, ev.TrainerExited(t=10.0, attempt=1, exit_code=0))
    assert (state.status, state.ended_at, state.diagnosis) == ("completed", 9.0, None)


def test_an_exit_without_a_last_word_carries_its_diagnosis() -> None:
    diagnosis = ev.Diagnosis(kind="oom_kill", title="Killed", evidence=("oom_kill 1",))
    state = state_of(*TRAINING, ev.TrainerExited(attempt=1, signal="SIGKILL", diagnosis=diagnosis))
    assert state.diagnosis == diagnosis
    assert state.end is None


def test_history_is_bounded_and_keeps_the_newest() -> None:
    sample = MemorySample(ram_total_bytes=1)
    events = [ev.MemorySampled(t=float(n), sample=sample) for n in range(RECENT_SAMPLES + 5)]
    state = state_of(*events)
    assert len(state.memory) == RECENT_SAMPLES
    assert state.memory[-1][0] == float(RECENT_SAMPLES + 4)


@pytest.mark.parametrize(
    ("trainer", "supervisor", "status"),
    [
        (True, True, "running"),
        (True, False, "running"),
        (False, True, "running"),
        (False, False, "failed"),
    ],
)
def test_what_is_not_alive_never_shows_as_running(
    trainer: bool, supervisor: bool, status: str
) -> None:
    state = with_liveness(state_of(*TRAINING), trainer_alive=trainer, supervisor_alive=supervisor)
    assert state.status == status
    assert (state.diagnosis is not None) == (status == "failed")


def test_the_dead_may_have_ended_well() -> None:
    state = state_of(*TRAINING, ev.Ended(status="completed", update=2))
    assert with_liveness(state, trainer_alive=False, supervisor_alive=False).status == "completed"


def test_a_death_tells_how_old_its_last_reading_was() -> None:
    found = ev.Diagnosis(kind="memory_kill", title="x", evidence=("last sample: trainer 3.00 GB",))
    state = RunState()
    for event in (
        ev.TrainerStarted(t=1, attempt=1, pid=1, pid_created=1),
        ev.MemorySampled(t=10, sample=MemorySample(footprint_bytes=3)),
        ev.TrainerExited(t=12.5, attempt=1, signal="SIGKILL", diagnosis=found),
    ):
        apply(state, event)
    assert state.diagnosis is not None
    assert state.diagnosis.evidence == ("last sample, 2.5 s before the end: trainer 3.00 GB",)
