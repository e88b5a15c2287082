"""Using a model in between, with nothing that training uses changed by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx
import mlx.nn as nn


def random_state() -> list[int]:
    """MLX's random state, a key of two 32-bit numbers."""
    state: list[int] = mx.random.state[0].tolist()
    return state


def set_random_state(state: list[int]) -> None:
    """Restores ``random_state()``: a seed is the key's two halves in one number."""
    mx.random.seed((state[0] << 32) | state[1])


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Dropout off inside; training mode and the random state as they were afterwards."""
    state = random_state()
    model.eval()
    try:
        yield
    finally:
        model.train()
        set_random_state(state)
