"""What an update has to do, and what a few timed ones tell of the average one."""

from __future__ import annotations

import random

import pytest

from cockpit.core.plan import RunPlan
from cockpit.memory.work import work_of
from cockpit.system.warm_up import LEFT_OUT, MOST, Work, _Timed

PLAN = RunPlan(model="m", data="/data", batch_size=2, iters=8, max_seq_length=128)


def test_work_is_padded_tokens() -> None:
    alike = work_of(PLAN, [40] * 16)
    assert len(alike.updates) == LEFT_OUT + MOST
    assert set(alike.updates) == {2 * 65} and alike.mean == 2 * 65
    # Longer ones are cut, or go through in pieces.
    assert work_of(PLAN, [300] * 16).mean == 2 * 128
    split = PLAN.with_changes(long_examples="split")
    assert work_of(split, [300] * 16).mean > 2 * 2 * 128
    several = PLAN.with_changes(grad_accumulation_steps=4)
    assert work_of(several, [40] * 16).mean == 8 * 65


def test_the_average_is_of_the_whole_run_and_not_of_its_start() -> None:
    lengths = [random.Random(1).randint(5, 128) for _ in range(400)]
    plan = PLAN.with_changes(iters=200)
    work = work_of(plan, lengths)
    more = plan.with_changes(iters=20_000)
    assert work.mean == pytest.approx(work_of(more, lengths).mean, rel=0.05)


def timed(*seconds: float) -> _Timed:
    return _Timed([9.0] * LEFT_OUT + list(seconds))


def test_the_average_update_is_read_off_a_line_through_the_timed_ones() -> None:
    work = Work((7,) * LEFT_OUT + (100, 200, 300), mean=150.0)
    assert timed(1.0, 2.0, 3.0).average(work) == pytest.approx(1.5)
    # Half of the time is the same for every update.
    assert timed(2.0, 3.0, 4.0).average(work) == pytest.approx(2.5)
    # A line that noise tilts is followed neither beyond the mean nor beyond the share of tokens.
    assert timed(3.0, 2.0, 1.0).average(work) == pytest.approx(2.0)
    assert timed(0.1, 0.1, 5.8).average(work) == pytest.approx(2.0 * 150 / 200)


def test_without_lengths_or_differences_the_mean_counts() -> None:
    assert timed(1.0, 3.0, 5.0).average(None) == 3.0
    assert timed(1.0, 3.0, 5.0).average(Work((8,) * (LEFT_OUT + 3), mean=8.0)) == 3.0
