"""Which examples an update consumes: a function of (seed, update) and the examples' lengths.

``batch_size`` and ``grad_accumulation_steps`` enter only through their product, so halving one
and doubling the other trains on the same examples in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

# Keeps the draw of evaluation examples apart from every epoch's.
_EVALUATION = 0x6576616C


class Order:
    """The order of ``lengths`` (tokens, one an example) in groups of ``group`` examples."""

    def __init__(self, lengths: Sequence[int] | NDArray[np.int64], group: int, seed: int):
        if not len(lengths) or group < 1:
            raise ValueError("an order needs examples and a group size")
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._group = group
        self._seed = seed
        self._epoch = -1
        self._groups: Indices = np.empty((0, group), np.int64)

    @property
    def updates_per_epoch(self) -> int:
        return max(1, len(self._lengths) // self._group)

    def epoch_of(self, update: int) -> float:
        """Epochs behind a run that has made ``update`` updates."""
        return update / self.updates_per_epoch

    def examples(self, update: int) -> Indices:
        """Indices for the update after ``update`` others, in the order they go through."""
        epoch, position = divmod(update, self.updates_per_epoch)
        if epoch != self._epoch:
            self._groups = self._shuffle(epoch)
            self._epoch = epoch
        examples: Indices = self._groups[position]
        return examples

    def _shuffle(self, epoch: int) -> Indices:
        """An epoch's groups: alike in length inside, in random order, another remainder out."""
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self._seed, epoch])))
        wanted = self.updates_per_epoch * self._group
        drawn = random.permutation(len(self._lengths))
        while len(drawn) < wanted:
            drawn = np.concatenate([drawn, random.permutation(len(self._lengths))])
        drawn = drawn[:wanted]
        drawn = drawn[np.argsort(self._lengths[drawn], kind="stable")]
        return random.permutation(drawn.reshape(-1, self._group), axis=0)


def micro_batches(
    examples: Indices, batch_size: int, rank: int = 0, ranks: int = 1
) -> list[Indices]:
    """An update's examples, or their rows, as the micro-batches of one rank, in order."""
    return [
        examples[start : start + batch_size][rank::ranks]
        for start in range(0, len(examples), batch_size)
    ]


def evaluation_examples(
    lengths: Sequence[int] | NDArray[np.int64], batch_size: int, batches: int, seed: int
) -> list[Indices]:
    """Fixed batches for a loss that can be compared over a run; ``batches`` -1 takes everything.

    The examples depend on ``batch_size * batches`` alone. Each batch holds examples of like
    length; the last one may be short.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _EVALUATION])))
    chosen = random.permutation(len(lengths))
    if batches >= 0:
        chosen = chosen[: batch_size * batches]
    chosen = chosen[np.argsort(lengths[chosen], kind="stable")]
    return [chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size)]
