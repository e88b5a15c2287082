"""The pace of earlier runs: taken from the newest that trained the same way."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.system import run_dir
from cockpit.system.pace import pace_of

PLAN = RunPlan(model="m", data="/data", batch_size=4, iters=100, grad_accumulation_steps=2)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))


def trained(plan: RunPlan, *seconds: float) -> str:
    run = run_dir.create(plan)
    fields = {
        "epoch": 0.1, "loss": 1.0, "learning_rate": 1e-4, "tokens": 1, "trained_tokens": 1,
        "tokens_per_second": 1.0, "active_bytes": 1, "peak_bytes": 1, "cache_bytes": 1,
    }  # fmt: skip
    events = [
        ev.Updated.model_validate({"update": number, "seconds": each, **fields})
        for number, each in enumerate(seconds, 1)
    ]
    run.attempt(1).trainer_events.write_bytes(b"".join(event.line() for event in events))
    return run.name


def test_the_median_of_a_runs_updates_is_its_pace() -> None:
    name = trained(PLAN, 60.0, 8.0, 8.0, 8.0)
    found = pace_of(PLAN)
    assert found is not None and found.run == name and found.same_data
    assert found.seconds_per_example == 1.0
    assert found.seconds(PLAN) == 50 * 8
    # Another batch shows as many examples in the same time.
    assert found.seconds(PLAN.with_changes(batch_size=8)) == 50 * 16


def test_other_shapes_and_short_runs_say_nothing() -> None:
    for changes in ({"model": "n"}, {"max_seq_length": 64}, {"grad_checkpoint": True}):
        trained(PLAN.with_changes(**changes), 1.0, 1.0, 1.0)
    trained(PLAN, 1.0, 1.0)
    assert pace_of(PLAN) is None


def test_a_run_on_the_same_data_is_worth_more_than_a_newer_one() -> None:
    trained(PLAN, 8.0, 8.0, 8.0)
    trained(PLAN.with_changes(data="/other"), 16.0, 16.0, 16.0)
    found = pace_of(PLAN)
    assert found is not None and found.same_data and found.seconds_per_example == 1.0
    other = pace_of(PLAN.with_changes(data="/third"))
    assert other is not None and not other.same_data
