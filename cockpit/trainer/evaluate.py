"""The loss on fixed batches, as mlx-lm computes it, without touching what training uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.tuner.trainer import default_loss

from cockpit.trainer.ranks import Ranks
from cockpit.trainer.step import Batch


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


def evaluate(
    model: nn.Module,
    batches: Iterable[Batch | None],
    ranks: Ranks,
    stop: Callable[[], bool] = lambda: False,
    clear_cache_above: int = 0,
) -> tuple[float, int] | None:
    """Mean loss over the tokens of all batches, and how many those are.

    None if ``stop`` said so between two batches. A batch is None on a rank that has no share.
    """
    losses, tokens = mx.array(0.0), mx.array(0)
    with inference(model):
        for batch in batches:
            if stop():
                return None
            if batch is None:
                continue
            loss, count = default_loss(model, *batch)
            losses += loss * count
            tokens += count
            mx.eval(losses, tokens)
            if mx.get_cache_memory() > clear_cache_above:
                mx.clear_cache()
    losses, tokens = ranks.sum(losses), ranks.sum(tokens)
    return (losses / tokens).item(), int(tokens.item())
