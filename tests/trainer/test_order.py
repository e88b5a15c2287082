"""Data order: a function of (seed, update), blind to how an update is cut into micro-batches."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cockpit.trainer.order import Order, evaluation_examples, micro_batches

SEEDS = range(4)
SIZES = [(8, 8), (9, 8), (31, 4), (100, 12), (100, 1), (257, 16)]


def lengths(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 40, count)


@pytest.mark.parametrize(("count", "group"), SIZES)
def test_an_epoch_shows_each_example_at_most_once_and_leaves_out_the_remainder(
    count: int, group: int
) -> None:
    for seed in SEEDS:
        order = Order(lengths(count), group, seed)
        for epoch in range(3):
            start = epoch * order.updates_per_epoch
            shown = np.concatenate(
                [order.examples(start + i) for i in range(order.updates_per_epoch)]
            )
            assert len(shown) == len(set(shown)) == count - count % group


def test_every_example_gets_its_turn_the_longest_too() -> None:
    """mlx-lm always drops the longest examples; here the remainder changes with the epoch."""
    sizes = np.arange(1, 12)
    order = Order(sizes, 4, seed=0)
    shown = {int(i) for update in range(60) for i in order.examples(update)}
    assert shown == set(range(11))


def test_asking_in_any_order_gives_the_same_answer() -> None:
    for seed in SEEDS:
        forward = Order(lengths(50), 6, seed)
        straight = [forward.examples(update).tolist() for update in range(40)]
        backward = Order(lengths(50), 6, seed)
        assert [backward.examples(u).tolist() for u in reversed(range(40))] == straight[::-1]


def test_seeds_and_epochs_differ() -> None:
    orders = [Order(lengths(64), 4, seed) for seed in SEEDS]
    first = [tuple(map(tuple, (o.examples(u) for u in range(16)))) for o in orders]
    second = [tuple(map(tuple, (o.examples(16 + u) for u in range(16)))) for o in orders]
    assert len(set(first + second)) == 2 * len(orders)


def test_an_update_holds_examples_of_like_length() -> None:
    sizes = lengths(96)
    order = Order(sizes, 8, seed=1)
    groups = [sizes[order.examples(update)] for update in range(12)]
    assert all((np.diff(group) >= 0).all() for group in groups)
    spans = sorted((group[0], group[-1]) for group in groups)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert [group[0] for group in groups] != sorted(group[0] for group in groups)


@pytest.mark.parametrize("batch_size", [1, 2, 4, 8])
def test_batch_size_only_cuts_the_update(batch_size: int) -> None:
    order = Order(lengths(40), 8, seed=3)
    whole = order.examples(2)
    parts = micro_batches(whole, batch_size)
    assert [len(part) for part in parts] == [batch_size] * (8 // batch_size)
    assert np.concatenate(parts).tolist() == whole.tolist()


def test_ranks_share_each_micro_batch() -> None:
    whole = Order(lengths(40), 8, seed=3).examples(0)
    shares = [micro_batches(whole, 4, rank, 2) for rank in range(2)]
    assert all(len(part) == 2 for share in shares for part in share)
    assert sorted(np.concatenate([*shares[0], *shares[1]])) == sorted(whole)


@pytest.mark.parametrize(("count", "group"), [(3, 8), (5, 16), (7, 8)])
def test_too_few_examples_for_an_update_are_repeated_evenly(count: int, group: int) -> None:
    for seed in SEEDS:
        order = Order(lengths(count), group, seed)
        assert order.updates_per_epoch == 1
        times = np.bincount(order.examples(seed), minlength=count)
        assert times.sum() == group
        assert times.max() - times.min() <= 1


def test_evaluation_takes_the_same_examples_however_they_are_batched() -> None:
    sizes = lengths(50)
    for seed in SEEDS:
        fours = evaluation_examples(sizes, 4, 5, seed)
        twos = evaluation_examples(sizes, 2, 10, seed)
        assert [len(batch) for batch in fours] == [4] * 5
        assert sorted(np.concatenate(fours)) == sorted(np.concatenate(twos))


def test_evaluating_everything_leaves_nothing_out() -> None:
    batches = evaluation_examples(lengths(10), 4, -1, seed=0)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(np.concatenate(batches)) == list(range(10))


def test_nothing_cannot_be_ordered() -> None:
    with pytest.raises(ValueError, match="examples"):
        Order([], 4, 0)
