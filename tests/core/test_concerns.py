"""The rules on recorded curves (scripts/record_curves.py): each finds its own, none cries wolf."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from cockpit.core import events as ev
from cockpit.core.concerns import Concern, concerns
from cockpit.core.run_state import RunState, apply
from cockpit.core.samples import MemorySample

CURVES = Path(__file__).parent / "curves"
UPDATE = {
    "epoch": 0.0, "trained_tokens": 0, "active_bytes": 1, "peak_bytes": 1, "cache_bytes": 0,
}  # fmt: skip
MINUTE = 60.0


def event_of(row: dict[str, Any]) -> ev.Event:
    if row["type"] == "update":
        return ev.Updated.model_validate(UPDATE | row)
    return ev.Validated.model_validate({"tokens": 1, "seconds": 1.0} | row)


def recorded(name: str) -> list[dict[str, Any]]:
    rows = json.loads((CURVES / f"{name}.json").read_text())
    assert isinstance(rows, list)
    return rows


def running(updates: int) -> RunState:
    state = RunState(status="running")
    state.updates = updates
    return state


def raised(name: str, updates: int = 10_000) -> dict[str, Concern]:
    """Every kind of concern over the whole of a recorded run, with its first appearance."""
    state, found = running(updates), dict[str, Concern]()
    for row in recorded(name):
        apply(state, event_of(row))
        for concern in concerns(state):
            # Speeds were recorded on a shared machine: they are judged by tests of their own.
            if concern.kind != "slow":
                found.setdefault(concern.kind, concern)
    return found


def test_a_healthy_run_is_left_alone() -> None:
    assert raised("healthy", updates=400) == {}


def test_a_spike_is_found_and_half_the_rate_advised() -> None:
    found = raised("spiked", updates=120)
    assert set(found) == {"spike"}
    rates = {row["learning_rate"] for row in recorded("spiked") if row["type"] == "update"}
    assert found["spike"].act == "learning_rate"
    assert found["spike"].value in {rate / 2 for rate in rates}


def test_a_plateau_is_found_while_there_is_time_to_act() -> None:
    found = raised("flat")
    assert set(found) == {"plateau"}
    assert found["plateau"].value == pytest.approx(1.5e-9)
    assert raised("flat", updates=600 // 4) == {}, "nearly done: too late to change anything"


def test_learning_by_heart_is_found() -> None:
    found = raised("by_heart")
    assert "overfitting" in found and set(found) <= {"overfitting", "plateau"}
    assert found["overfitting"].act == "stop"
    assert "kept as best" in found["overfitting"].remedy


def test_a_run_that_is_not_running_raises_nothing() -> None:
    state = running(120)
    for row in recorded("spiked"):
        apply(state, event_of(row))
    state.status = "paused"
    assert concerns(state) == ()


def memory(footprints: list[int], seconds: float) -> RunState:
    state = running(1000)
    for index, size in enumerate(footprints):
        sample = MemorySample(footprint_bytes=size)
        apply(state, ev.MemorySampled(t=index * seconds, sample=sample))
    return state


def test_memory_that_climbs_on_and_on_is_suspected() -> None:
    climbing = memory([4_000_000_000 + i * 20_000_000 for i in range(60)], MINUTE)
    assert [concern.kind for concern in concerns(climbing)] == ["growth"]


@pytest.mark.parametrize("seed", range(5))
def test_memory_that_settles_or_swings_is_not(seed: int) -> None:
    noise = random.Random(seed)
    settled = [min(4_000_000_000 + i * 400_000_000, 6_000_000_000) for i in range(60)]
    swings = [5_000_000_000 + noise.randrange(900_000_000) for _ in range(60)]
    assert concerns(memory(settled, MINUTE)) == ()
    assert concerns(memory(swings, MINUTE)) == ()


def paced(speeds: list[float], swap_bytes_per_second: float = 0.0) -> RunState:
    state = running(10_000)
    for index, speed in enumerate(speeds, 1):
        row = {"type": "update", "update": index, "loss": 2.0 - index / 1000, "learning_rate": 1e-4}
        apply(state, event_of(row | {"tokens": 100, "seconds": 0.1, "tokens_per_second": speed}))
    for at in range(40):
        sample = MemorySample(swap_out_bytes_per_second=swap_bytes_per_second)
        apply(state, ev.MemorySampled(t=float(at), sample=sample))
    return state


def test_a_slow_down_is_told_with_its_likely_cause() -> None:
    (hot,) = concerns(paced([1000.0] * 60 + [400.0] * 20))
    assert hot.kind == "slow" and "may be hot" in hot.evidence
    (swapping,) = concerns(paced([1000.0] * 60 + [400.0] * 20, 80e6))
    assert "swaps, 80 MB/s" in swapping.evidence


def test_a_few_slow_updates_are_no_slow_down() -> None:
    assert concerns(paced([1000.0] * 60 + [300.0] * 8)) == ()
