"""The largest batches, as the trainer itself will cut and pad them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cockpit.memory.lengths import full_length, of_data
from cockpit.trainer.batches import update_batches
from cockpit.trainer.order import Order
from cockpit.trainer.ranks import Ranks
from tests.memory import models

RAGGED = [5, 9, 33, 34, 61, 62, 70, 100, 130, 131, 190, 250]


@pytest.mark.parametrize("fields", [{}, {"grad_accumulation_steps": 2}, {"max_seq_length": 128}])
def test_the_largest_batch_is_the_largest_that_the_trainer_makes(fields: dict[str, Any]) -> None:
    plan = models.plan(**{"iters": 4, "batch_size": 3, "max_seq_length": 256, **fields})
    lengths = np.array(RAGGED)
    split: Any = SimpleNamespace(
        tokens=[[1] * n for n in RAGGED], lengths=lengths, offsets=[0] * len(RAGGED)
    )
    order = Order(lengths, plan.examples_per_update, plan.seed)
    seen = [
        batch.shape
        for update in range(plan.updates)
        for batch, _ in update_batches(split, order.examples(update), plan, Ranks())
    ]
    assert of_data(plan, RAGGED).train == max(seen)


def test_a_short_run_may_never_see_the_longest_example() -> None:
    plan = models.plan(iters=1, batch_size=2, max_seq_length=256)
    found = {of_data(plan.with_changes(seed=seed), RAGGED).train for seed in range(8)}
    assert len(found) > 1


def test_validation_batches_count_too() -> None:
    plan = models.plan(max_seq_length=256)
    assert of_data(plan, [5] * 8, [10, 200]).valid == (2, 225)
    assert of_data(plan, [5] * 8).valid is None


def test_full_length_is_not_padded_beyond_the_limit() -> None:
    assert full_length(models.plan(max_seq_length=2048)).train == (2, 2048)
