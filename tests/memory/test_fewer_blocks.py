"""Which blocks of a model are traced in the place of all."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import pytest

from cockpit.memory.fewer_blocks import Cut, cuts, with_last


class Wide(nn.Linear):
    pass


class Model(nn.Module):
    def __init__(self, pattern: str):
        super().__init__()
        self.layers = [Wide(4, 4) if kind == "w" else nn.Linear(4, 4) for kind in pattern]


@pytest.mark.parametrize(
    ("trained", "traced", "kept"),
    [
        (16, [Cut(4, 4), Cut(8, 8)], 16),
        (8, [Cut(4, 4), Cut(8, 8)], 8),
        (10, [Cut(8, 6), Cut(12, 10)], 12),
        (6, [Cut(8, 6)], 8),
        (1, [Cut(4, 1)], 4),
    ],
)
def test_whole_patterns_are_kept_whatever_number_of_blocks_is_trained(
    trained: int, traced: list[Cut], kept: int
) -> None:
    assert cuts(Model("lllw" * 4).layers, trained) == (traced, kept)


def test_a_model_that_repeats_nothing_is_traced_whole() -> None:
    assert cuts(Model("lllwll").layers, 2) == ([Cut(6, 2)], 6)


def test_the_last_blocks_are_kept() -> None:
    model = Model("lw")
    last = model.layers[1]
    assert with_last(model, 1).layers == [last]
    assert with_last(model, 1).layers[0](mx.ones((1, 4))).shape == (1, 4)
