"""The processes that train together. One today, at no cost; ``mlx.launch`` makes more."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
from mlx.nn.utils import average_gradients
from mlx.utils import tree_map


class Ranks:
    """This process's place among them, and the sums they share."""

    def __init__(self) -> None:
        self._group = mx.distributed.init()
        self.rank: int = self._group.rank()
        self.size: int = self._group.size()

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def sum(self, value: mx.array) -> mx.array:
        if self.size == 1:
            return value
        return mx.distributed.all_sum(value, group=self._group, stream=mx.cpu)

    def sum_gradients(self, gradients: Any) -> Any:
        """Summed over the ranks, small arrays joined into one message as mlx does."""
        if self.size == 1:
            return gradients
        averaged = average_gradients(gradients, group=self._group)
        return tree_map(lambda g: g * self.size, averaged)

    def from_first(self, values: list[float]) -> list[float]:
        """What rank 0 has in ``values``, on every rank."""
        if self.size == 1:
            return values
        mine = values if self.first else [0.0] * len(values)
        shared: list[float] = self.sum(mx.array(mine, dtype=mx.float32)).tolist()
        return shared
