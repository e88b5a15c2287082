"""Nothing that trains loses its memory to somebody who only wants to look at a result."""

from __future__ import annotations

import pytest

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.results import room
from cockpit.results.choice import choose
from cockpit.results.room import Training
from cockpit.system.run_dir import RunDir


def test_a_run_that_may_still_grow_over_all_memory_keeps_it(trained: RunDir) -> None:
    greedy = Training(trained, footprint_bytes=1_000_000_000, forecast_bytes=10**15)
    assert greedy.growth_bytes == 10**15 - 10**9
    with pytest.raises(CockpitError) as error:
        room.check(choose(trained), [greedy], whole_examples=False)
    assert trained.name in error.value.message and "--anyway" in error.value.remedy
    assert error.value.exit_code == 2


def test_a_small_model_fits_beside_a_small_run(trained: RunDir) -> None:
    room.check(choose(trained), [Training(trained, 10**8, 10**8)], whole_examples=True)


def test_a_run_that_is_over_trains_nothing(trained: RunDir) -> None:
    assert trained.name not in [training.run.name for training in room.training_now()]


def test_what_is_forecast_is_a_small_training() -> None:
    plan = RunPlan(model="nano", data="d", batch_size=8, grad_accumulation_steps=4, iters=8)
    short = room.small_plan(plan, whole_examples=False)
    assert (short.batch_size, short.max_seq_length, short.num_layers) == (1, 256, 1)
    whole = room.small_plan(plan, whole_examples=True)
    assert (whole.batch_size, whole.max_seq_length, whole.grad_checkpoint) == (8, 2048, True)
