"""What was timed once is known from then on, beside what runs tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.core.plan import RunPlan
from cockpit.system import timings
from cockpit.system.pace import brief, pace_of
from tests.system.test_pace import trained

PLAN = RunPlan(model="m", data="/data", batch_size=4, iters=100, grad_accumulation_steps=2)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_timing_is_a_pace_from_then_on() -> None:
    assert pace_of(PLAN) is None
    timings.remember(PLAN, 0.5, updates=12)
    found = pace_of(PLAN.with_changes(iters=50, learning_rate=1.0))
    assert found is not None and found.same_data
    assert found.source == "measured by a warm-up of 12 updates"
    assert found.seconds(PLAN) == 50 * 8 * 0.5
    assert pace_of(PLAN.with_changes(max_seq_length=64)) is None
    other = pace_of(PLAN.with_changes(data="/other"))
    assert other is not None and other.source.endswith(", on other data")


def test_the_newer_of_a_run_and_a_timing_counts() -> None:
    timings.remember(PLAN, 0.5, updates=12)
    name = trained(PLAN, 8.0, 8.0, 8.0)
    found = pace_of(PLAN)
    assert found is not None and found.run == name and found.source == f"as {name} went"
    timings.remember(PLAN, 0.25, updates=9)
    found = pace_of(PLAN)
    assert found is not None and found.warm_up_updates == 9


def test_the_same_batch_is_worth_more_than_a_newer_one() -> None:
    timings.remember(PLAN, 0.5, updates=12)
    timings.remember(PLAN.with_changes(batch_size=8), 0.125, updates=12)
    found = pace_of(PLAN)
    assert found is not None and found.seconds_per_example == 0.5


def test_a_plan_has_one_line_and_a_damaged_one_is_passed_over(home: Path) -> None:
    for seconds in (0.5, 0.75):
        timings.remember(PLAN, seconds, updates=12)
    path = timings.timings_path()
    (line,) = path.read_bytes().splitlines()
    path.write_bytes(b'\xff{"t": \n{"t": 1, "shape": {}, "updates": -1}\n' + line + b"\n")
    assert [each.seconds_per_example for each in timings.records()] == [0.75]
    timings.remember(PLAN.with_changes(batch_size=1), 1.0, updates=3)
    assert len(timings.records()) == 2
    assert [child.name for child in home.iterdir()] == [path.name]


def test_the_file_does_not_grow_without_end() -> None:
    for batch in range(1, timings.MOST_RECORDS + 3):
        timings.remember(PLAN.with_changes(batch_size=batch), 1.0, updates=3)
    kept = timings.records()
    assert len(kept) == timings.MOST_RECORDS and kept[-1].batch_size == timings.MOST_RECORDS + 2


def test_a_home_that_cannot_be_written_keeps_nothing_and_does_not_fail(home: Path) -> None:
    home.write_text("a file")
    timings.remember(PLAN, 1.0, updates=3)
    assert timings.records() == []


def test_an_update_is_told_in_the_unit_that_suits_it() -> None:
    assert [brief(s) for s in (0.0351, 0.25, 1.254, 35.0, 125.0)] == [
        "35.1 ms", "250 ms", "1.25 s", "35 s", "2m05s",
    ]  # fmt: skip
