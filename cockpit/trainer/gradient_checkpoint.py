"""Gradient checkpointing of every block, with dropout masks that survive the recomputation.

mlx-lm's own wrapper patches the class of the first block alone, and its backward pass draws
other dropout masks than its forward pass did, which makes the gradients wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.tuner.trainer import grad_checkpoint


class _KeyedDropout(nn.Dropout):  # type: ignore[misc]
    """A Dropout that draws from ``key``, which its block is given, while there is one."""

    key: mx.array | None = None

    def __call__(self, x: mx.array) -> mx.array:
        if _KeyedDropout.key is None or not self.training:
            return super().__call__(x)
        _KeyedDropout.key, key = mx.random.split(_KeyedDropout.key)
        mask = mx.random.bernoulli(self._p_1, x.shape, key=key)
        return (mask * x) * (1 / self._p_1)


def checkpoint_blocks(blocks: Iterable[nn.Module]) -> None:
    """Recomputes the activations of ``blocks`` in the backward pass, from now on.

    As in mlx-lm the classes are patched, so this holds for the whole process.
    """
    blocks = list(blocks)
    dropouts = [d for block in blocks for d in _active_dropouts(block)]
    for dropout in dropouts:
        dropout.__class__ = _KeyedDropout
    for kind in {type(block) for block in blocks}:
        if dropouts:
            kind.__call__ = _checkpointed_with_key(kind.__call__)
        else:
            grad_checkpoint(next(block for block in blocks if type(block) is kind))


def _active_dropouts(block: nn.Module) -> list[nn.Dropout]:
    return [m for m in block.modules() if type(m) is nn.Dropout and m._p_1 < 1]


def _checkpointed_with_key(call: Callable[..., Any]) -> Callable[..., Any]:
    def checkpointed(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
        # A key in place means that this call is part of a block that is checkpointed already.
        if not block.training or _KeyedDropout.key is not None:
            return call(block, *args, **kwargs)

        def inner(parameters: Any, key: mx.array, *args: Any, **kwargs: Any) -> Any:
            block.update(parameters)
            # Not differentiated: the backward pass asks for the gradient of every argument.
            _KeyedDropout.key = mx.stop_gradient(key)
            try:
                return call(block, *args, **kwargs)
            finally:
                _KeyedDropout.key = None

        key = mx.stop_gradient(mx.random.randint(0, 1 << 31, (2,), dtype=mx.uint32))
        return mx.checkpoint(inner)(block.trainable_parameters(), key, *args, **kwargs)

    return checkpointed
