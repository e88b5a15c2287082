"""Which rung is suggested, and which cause has a ladder at all."""

from __future__ import annotations

import pytest

from cockpit.core import ladder
from cockpit.core.diagnosis import MEMORY_KINDS
from cockpit.core.events import Diagnosis
from cockpit.core.ladder import Ladder, Rung, RungKind
from cockpit.core.plan import RunPlan


def rung(kind: RungKind, *, fits: bool | None = True, **fields: object) -> Rung:
    return Rung(kind, kind, {kind: 1}, fits=fits, **fields)  # type: ignore[arg-type]


def test_the_first_that_fits_is_suggested() -> None:
    rungs = (rung("grad_checkpoint", fits=False), rung("batch_size"), rung("max_seq_length"))
    assert ladder.preselect(rungs) == 1


def test_what_is_below_the_plans_floor_is_suggested_only_if_nothing_else_fits() -> None:
    low = rung("max_seq_length", below_floor=True)
    assert ladder.preselect((low, rung("num_layers"))) == 1
    assert ladder.preselect((low, rung("num_layers", fits=False))) == 0


def test_what_is_not_offered_is_not_suggested() -> None:
    refused = ladder.refused(rung("batch_size"), "the checkpoint refuses it")
    assert ladder.preselect((refused, rung("num_layers", fits=None))) is None
    assert not refused.offered
    found = Ladder((refused,), None, 1)
    assert found.chosen is None and found.rung("batch_size") == refused


@pytest.mark.parametrize(
    ("kind", "cure"),
    [
        *((kind, "memory") for kind in sorted(MEMORY_KINDS)),
        ("guard", "memory"),
        ("buffer_count", "buffers"),
        ("gpu_interactivity", "other"),
        ("gpu_timeout", "other"),
        ("nan", "other"),
        ("data", "other"),
        ("disk_full", "other"),
        ("killed", "other"),
        ("unknown", "other"),
    ],
)
def test_the_cause_decides_what_helps(kind: str, cure: str) -> None:
    assert ladder.cure_of(Diagnosis(kind=kind, title="")) == cure


def test_floors_are_the_plans_own() -> None:
    plan = RunPlan(model="m", data="d", floor_seq_length=256, floor_num_layers=2)
    assert ladder.below_floor(plan, {"max_seq_length": 225})
    assert not ladder.below_floor(plan, {"max_seq_length": 257, "num_layers": 2})
    assert ladder.below_floor(plan, {"num_layers": 1})
    assert not ladder.below_floor(plan, {"batch_size": 1, "num_layers": -1})
