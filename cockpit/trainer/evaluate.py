"""The loss on fixed batches, as mlx-lm computes it, without touching what training uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import mlx.core as mx
import mlx.nn as nn

from cockpit.trainer.chunked_loss import WHOLE, Loss
from cockpit.trainer.inference import inference
from cockpit.trainer.ranks import Ranks
from cockpit.trainer.step import Batch


def evaluate(
    model: nn.Module,
    batches: Iterable[Batch | None],
    ranks: Ranks,
    stop: Callable[[], bool] = lambda: False,
    clear_cache_above: int = 0,
    loss_of: Loss = WHOLE,
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
            loss, count = loss_of.measure(model, *batch)
            # The mean over no tokens is no number, and nothing to the others.
            losses += mx.where(count > 0, loss * count, 0.0)
            tokens += count
            mx.eval(losses, tokens)
            if mx.get_cache_memory() > clear_cache_above:
                mx.clear_cache()
    losses, tokens = ranks.sum(losses), ranks.sum(tokens)
    return (losses / tokens).item(), int(tokens.item())
