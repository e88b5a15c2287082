"""A model with fewer of its blocks, which takes as much for each of them and less time to trace."""

from __future__ import annotations

from dataclasses import dataclass

import mlx.nn as nn
from mlx.utils import tree_flatten


@dataclass(frozen=True, slots=True)
class Cut:
    """The last ``kept`` blocks of a model, of which the last ``trained`` are trained."""

    kept: int
    trained: int


def cuts(blocks: list[nn.Module], trained: int) -> tuple[list[Cut], int]:
    """What to trace instead of a model with its last ``trained`` blocks trained: two cuts that are
    a whole pattern of blocks apart, or one where that is no more. And how many of the blocks take
    part in it as they are: those before them are weights and nothing else.
    """
    period = _period(blocks)

    def kept(count: int) -> int:
        # Some models look for a block at its place in the pattern.
        return min(len(blocks), -(-count // period) * period)

    rest = trained % period
    fewer = [rest + period, rest + 2 * period]
    numbers = fewer if fewer[1] <= trained else [trained]
    return [Cut(kept(number), number) for number in numbers], kept(trained)


def with_last(model: nn.Module, count: int) -> nn.Module:
    """``model`` with only its last ``count`` blocks."""
    first = model.layers[0]
    for module in model.modules():
        for value in module.values():
            if isinstance(value, list) and value and value[0] is first:
                del value[:-count]
    return model


def kind(block: nn.Module) -> tuple[object, ...]:
    """What tells a block, or a model, from one of another shape."""
    shapes = ((name, tuple(value.shape)) for name, value in tree_flatten(block.parameters()))
    return (type(block), *shapes)


def _period(blocks: list[nn.Module]) -> int:
    """How many blocks a model repeats; all of them where it repeats none."""
    kinds = [kind(block) for block in blocks]
    periods = (n for n in range(1, len(blocks) // 2 + 1) if kinds[n:] == kinds[:-n])
    return next(periods, len(blocks))
