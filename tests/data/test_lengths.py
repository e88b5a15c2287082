"""What lengths mean for training, on lengths that can be checked by hand."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from cockpit.core.plan import RunPlan
from cockpit.data import lengths


def plan(**fields: int) -> RunPlan:
    return RunPlan.model_validate({"model": "nano", "data": "x"} | fields)


def test_percentiles_are_lengths_that_are_there() -> None:
    found = lengths.summary(array("L", range(1, 101)))
    assert found is not None
    assert (found.tokens, found.shortest, found.longest, found.mean) == (5050, 1, 100, 50.5)
    assert [found.percentile(p) for p in (50, 95, 99)] == [50, 95, 99]


def test_without_examples_nothing_is_known() -> None:
    none = array("L")
    assert lengths.summary(none) is None
    assert lengths.recommended(none) is None
    assert lengths.histogram(none) == ()
    assert lengths.batching(none, plan()) is None
    assert lengths.cuts(none, 2048) == ()


def test_what_a_length_cuts() -> None:
    (first, *_, own) = lengths.cuts([100, 200, 300], 250)
    assert (first.max_seq_length, first.examples) == (128, 2)
    assert (own.max_seq_length, own.examples) == (512, 0)
    at_250 = lengths.cut(np.array([100, 200, 300]), 250)
    assert (at_250.examples, at_250.share) == (1, pytest.approx(1 / 3))
    assert at_250.tokens_share == pytest.approx(50 / 600)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([100] * 99 + [5000], 128),  # one in a hundred may be cut
        ([100] * 98 + [5000] * 2, 8192),
        ([128], 128),
        ([129], 256),
        ([10**6], 32768),
        ([100] * 50 + [10**6], 128),  # that one is to be split
    ],
)
def test_the_recommended_length(values: list[int], wanted: int) -> None:
    assert lengths.recommended(values) == wanted


def test_the_histogram_counts_every_example_once() -> None:
    values = [*range(10, 500), 10_000, 20_000]
    bins = lengths.histogram(values)
    assert sum(one.examples for one in bins) == len(values)
    assert len(bins) <= lengths.HISTOGRAM_BINS + 1
    assert bins[0].low == 10
    assert (bins[-1].high, bins[-1].examples) == (None, 2)


def test_one_enormous_example_does_not_flatten_the_histogram() -> None:
    bins = lengths.histogram([*range(10, 60), 10**6])
    assert len([one for one in bins if one.examples]) > 10
    assert (bins[-1].high, bins[-1].examples) == (None, 1)


def test_padding_and_epochs_as_the_trainer_batches() -> None:
    found = lengths.batching([33] * 6, plan(batch_size=2, iters=9))
    assert found is not None
    # Two of 33 tokens are padded to 65, alone as in company.
    assert (found.iterations_per_epoch, found.updates_per_epoch, found.epochs) == (3, 3, 3.0)
    assert found.padding_share == pytest.approx(1 - 33 / 65)
    assert found.mixing_share == 0
    mixed = lengths.batching([32, 320], plan(batch_size=2))
    assert mixed is not None
    assert mixed.mixing_share == pytest.approx(1 - (33 + 321) / (2 * 321))


def test_accumulation_makes_fewer_updates() -> None:
    found = lengths.batching([10] * 16, plan(batch_size=2, grad_accumulation_steps=4))
    assert found is not None
    assert (found.iterations_per_epoch, found.updates_per_epoch) == (8, 2)
