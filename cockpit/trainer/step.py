"""One update: gradients of its micro-batches, weighted by tokens, and one optimizer step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_map, tree_reduce

from cockpit.trainer.chunked_loss import WHOLE, Loss
from cockpit.trainer.ranks import Ranks

# (tokens by example and position, [offset, length] by example)
Batch = tuple[mx.array, mx.array]


@dataclass(frozen=True, slots=True)
class StepResult:
    """``loss``: mean over the update's tokens; ``grad_norm``: L2, of the averaged gradient."""

    loss: float
    tokens: int
    grad_norm: float
    learning_rate: float


class UpdateStep:
    """The compiled step for one model and optimizer.

    With one micro-batch an update it is mlx-lm's own step: the gradient of the mean loss. With
    more, or more ranks, the gradients of token sums are added up and divided once by all of the
    update's tokens, where mlx-lm gives micro-batches equal weight whatever they hold.

    A learning-rate schedule is part of the compiled graph: after changing it, make a new one.

    The forecast traces ``whole``, ``part`` and ``last``, which read and replace ``state``.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: optim.Optimizer,
        ranks: Ranks,
        clear_cache_above: int = 0,
        loss: Loss = WHOLE,
    ):
        self._clear_cache_above = clear_cache_above
        self._optimizer = optimizer
        self._ranks = ranks
        # Before compiling, or the moments' first appearance would compile everything twice.
        optimizer.init(model.trainable_parameters())
        self.state = [model.state, optimizer.state, mx.random.state]
        compiled = partial(mx.compile, inputs=self.state, outputs=self.state)
        mean_and_grad = nn.value_and_grad(model, loss.mean)
        sum_and_grad = nn.value_and_grad(model, loss.total)

        def whole(batch: mx.array, lengths: mx.array) -> tuple[mx.array, ...]:
            (_, mean, tokens), gradient = mean_and_grad(model, batch, lengths)
            optimizer.update(model, gradient)
            return mean, tokens, _norm(gradient)

        def part(batch: mx.array, lengths: mx.array, before: Any) -> Any:
            (_, total, tokens), gradient = sum_and_grad(model, batch, lengths)
            sums = (total, tokens, gradient)
            return sums if before is None else tree_map(lambda a, b: a + b, before, sums)

        def last(batch: mx.array, lengths: mx.array, before: Any) -> tuple[mx.array, ...]:
            total, tokens, gradient = part(batch, lengths, before)
            total, tokens = ranks.sum(total), ranks.sum(tokens)
            gradient = tree_map(
                lambda g: (g / tokens).astype(g.dtype), ranks.sum_gradients(gradient)
            )
            optimizer.update(model, gradient)
            return total / tokens, tokens, _norm(gradient)

        self.whole = compiled(whole)
        self.part = compiled(part)
        self.last = compiled(last)

    def __call__(self, micro_batches: Iterable[Batch]) -> StepResult:
        """Updates the model; evaluates once a micro-batch, so one graph is held at a time."""
        batches = list(micro_batches)
        if len(batches) == 1 and self._ranks.size == 1:
            outputs = self.whole(*batches[0])
        else:
            before = None
            for batch in batches[:-1]:
                before = self.part(*batch, before)
                mx.eval(self.state, before)
                self._clear_cache()
            outputs = self.last(*batches[-1], before)
        mx.eval(self.state, outputs)
        self._clear_cache()
        loss, tokens, norm = outputs
        rate = self._optimizer.learning_rate
        return StepResult(loss.item(), int(tokens.item()), norm.item(), rate.item())

    def _clear_cache(self) -> None:
        if mx.get_cache_memory() > self._clear_cache_above:
            mx.clear_cache()


def _norm(gradient: Any) -> mx.array:
    squares = tree_reduce(
        lambda total, g: total + g.astype(mx.float32).square().sum(), gradient, mx.array(0.0)
    )
    return mx.sqrt(squares)
