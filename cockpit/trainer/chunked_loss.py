"""mlx-lm's loss without all of its logits: piece after piece, each with its gradient at once.

The logits of a batch are its largest arrays, and their gradients as large again. Here a piece's
logits live from its forward pass to its own backward pass, and the next piece waits for both.
What is kept is the gradient of the hidden states, as small as they are. So, unlike with
recomputation, no logits are computed twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map
from mlx_lm.tuner.trainer import default_loss

from cockpit.trainer import head
from cockpit.trainer.head import Head, Hidden

# What has the gradient of a loss and is not to be evaluated, the loss itself, and its tokens.
Differentiable = tuple[mx.array, mx.array, mx.array]


class Loss(Protocol):
    """A loss over the tokens between each row's bounds, for training and for measuring."""

    def mean(self, model: nn.Module, batch: mx.array, bounds: mx.array) -> Differentiable: ...

    def total(self, model: nn.Module, batch: mx.array, bounds: mx.array) -> Differentiable: ...

    def measure(
        self, model: nn.Module, batch: mx.array, bounds: mx.array
    ) -> tuple[mx.array, mx.array]:
        """The mean over the tokens, and how many they are."""
        ...


def of(model: nn.Module, chunks: int) -> Loss:
    """The loss in ``chunks`` pieces; Failure if ``model`` cannot be taken apart."""
    return WHOLE if chunks == 1 else ChunkedLoss(head.find(model), chunks)


def verified(model: nn.Module, chunks: int) -> Loss:
    """The same for training with: Failure as well if the pieces' logits were not the model's."""
    if chunks == 1:
        return WHOLE
    found = head.find(model)
    head.verify(found)
    return ChunkedLoss(found, chunks)


class WholeLoss:
    """mlx-lm's own."""

    def mean(self, model: nn.Module, batch: mx.array, bounds: mx.array) -> Differentiable:
        loss, tokens = default_loss(model, batch, bounds)
        return loss, loss, tokens

    def total(self, model: nn.Module, batch: mx.array, bounds: mx.array) -> Differentiable:
        # Not the mean times the tokens: there may be none, and then the mean is no number.
        mask = _mask(batch, bounds)
        loss = _loss(model(batch[:, :-1]), batch[:, 1:], mask, mx.array(1.0))
        return loss, loss, mask.sum()

    def measure(
        self, model: nn.Module, batch: mx.array, bounds: mx.array
    ) -> tuple[mx.array, mx.array]:
        loss, tokens = default_loss(model, batch, bounds)
        return loss, tokens


WHOLE = WholeLoss()


class ChunkedLoss:
    """The same over pieces of a batch's positions, ``chunks`` of them or as many as there are."""

    def __init__(self, model_head: Head, chunks: int):
        self._head = model_head
        self._chunks = chunks

    def mean(self, model: nn.Module, batch: mx.array, bounds: mx.array) -> Differentiable:
        mask = _mask(batch, bounds)
        tokens = mask.sum()
        objective, loss = self._differentiable(batch, mask, 1 / tokens)
        return objective, loss, tokens

    def total(self, model: nn.Module, batch: mx.array, bounds: mx.array) -> Differentiable:
        mask = _mask(batch, bounds)
        objective, loss = self._differentiable(batch, mask, mx.array(1.0))
        return objective, loss, mask.sum()

    def measure(
        self, model: nn.Module, batch: mx.array, bounds: mx.array
    ) -> tuple[mx.array, mx.array]:
        mask = _mask(batch, bounds)
        tokens = mask.sum()
        hidden = self._head.hidden(batch[:, :-1])
        loss, scale = mx.array(0.0), 1 / tokens
        for states, targets, wanted in self._pieces(hidden.states, batch, mask):
            (states,) = mx.depends([states], [loss])
            loss = loss + _loss(self._head.logits(hidden, states), targets, wanted, scale)
        return loss, tokens

    def _differentiable(
        self, batch: mx.array, mask: mx.array, scale: mx.array
    ) -> tuple[mx.array, mx.array]:
        hidden = self._head.hidden(batch[:, :-1])
        trained = self._head.trained()
        loss, of_head = mx.array(0.0), None
        gradients: list[mx.array] = []
        for states, targets, wanted in self._pieces(mx.stop_gradient(hidden.states), batch, mask):
            if gradients:
                # Or MLX would compute the logits of all pieces first.
                (states,) = mx.depends([states], [loss, gradients[-1], *_arrays(of_head)])
            piece, (of_states, of_weights) = self._with_gradients(
                hidden, states, targets, wanted, scale
            )
            loss = loss + piece
            gradients.append(of_states)
            of_head = of_weights if of_head is None else tree_map(mx.add, of_head, of_weights)
        gradient = mx.concatenate(gradients, axis=1).reshape(hidden.states.shape)
        # With the last piece's loss its logits are done with before the backward pass goes on.
        (gradient,) = mx.depends([gradient], [loss])
        objective = _with_gradient(hidden.states, gradient)
        for weights, of_weights in zip(_arrays(trained), _arrays(of_head), strict=True):
            objective = objective + _with_gradient(weights, of_weights)
        return objective, mx.stop_gradient(loss)

    def _with_gradients(
        self, hidden: Hidden, states: mx.array, *rest: mx.array
    ) -> tuple[mx.array, tuple[mx.array, Any]]:
        """A piece's loss, with its gradients by its states and by what is trained of the head."""
        trained = self._head.trained()

        def objective(states: mx.array, weights: Any) -> tuple[mx.array, mx.array]:
            self._head.update(weights)
            logits = self._head.logits(hidden, states)
            loss = _loss(mx.stop_gradient(logits), *rest)
            return _with_gradient(logits, _gradient(logits, loss, *rest)), loss

        try:
            (_, piece), gradients = mx.value_and_grad(objective, argnums=(0, 1))(
                states, tree_map(mx.stop_gradient, trained)
            )
        finally:
            self._head.update(trained)
        return piece, gradients

    def _pieces(
        self, states: mx.array, batch: mx.array, mask: mx.array
    ) -> Iterator[tuple[mx.array, ...]]:
        """Hidden states, targets and mask in pieces of equal size, the last one maybe smaller."""
        rows = states.shape[0] * states.shape[1]
        size = -(-rows // self._chunks)
        flat = [states.reshape(1, rows, -1), batch[:, 1:].reshape(1, rows), mask.reshape(1, rows)]
        for start in range(0, rows, size):
            yield tuple(array[:, start : start + size] for array in flat)


def _loss(logits: mx.array, targets: mx.array, wanted: mx.array, scale: mx.array) -> mx.array:
    losses = nn.losses.cross_entropy(logits, targets) * wanted
    return losses.astype(mx.float32).sum() * scale


def _gradient(
    logits: mx.array, loss: mx.array, targets: mx.array, wanted: mx.array, scale: mx.array
) -> mx.array:
    """That of ``loss`` by ``logits``, in their place: the loss is done with them by then."""
    (logits,) = mx.depends([mx.stop_gradient(logits)], [loss])
    chances = mx.softmax(logits, axis=-1)
    target = mx.arange(logits.shape[-1]) == targets[..., None]
    return (chances - target) * (wanted * scale)[..., None].astype(logits.dtype)


def _with_gradient(value: mx.array, gradient: mx.array) -> mx.array:
    """A number whose gradient by ``value`` is ``gradient``."""
    return (value * mx.stop_gradient(gradient)).sum()


def _arrays(tree: Any) -> list[mx.array]:
    return [array for _, array in tree_flatten(tree)] if tree else []


def _mask(batch: mx.array, bounds: mx.array) -> mx.array:
    """Which targets count, as mlx-lm reads ``bounds``."""
    steps = mx.arange(1, batch.shape[1])
    return mx.logical_and(steps >= bounds[:, 0:1], steps <= bounds[:, 1:])
