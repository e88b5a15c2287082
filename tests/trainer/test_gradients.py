"""Gradient checkpointing changes memory, not the gradients, dropout or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_flatten, tree_map

from cockpit.trainer.gradient_checkpoint import checkpoint_blocks
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]


class Wide(nn.Module):  # type: ignore[misc]
    def __init__(self, dropout: float):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.dropout = nn.Dropout(dropout)

    def __call__(self, x: mx.array) -> mx.array:
        return mx.tanh(self.linear(self.dropout(x)))


class Other(Wide):
    def __call__(self, x: mx.array) -> mx.array:
        return x + super().__call__(x)


class Model(nn.Module):  # type: ignore[misc]
    def __init__(self, dropout: float):
        super().__init__()
        self.layers = [Wide(dropout), Other(dropout), Wide(dropout)]

    def __call__(self, x: mx.array) -> mx.array:
        for layer in self.layers:
            x = layer(x)
        return x.square().sum()


@pytest.fixture(autouse=True)
def unpatched() -> Iterator[None]:
    """The classes as they were: checkpointing patches them for the whole process."""
    calls = {kind: kind.__call__ for kind in (Wide, Other)}
    yield
    for kind, call in calls.items():
        kind.__call__ = call  # type: ignore[method-assign]


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_agree_with_finite_differences(dropout: float) -> None:
    mx.random.seed(0)
    model = Model(dropout)
    x = mx.random.normal((4, 8))
    model.train()
    checkpoint_blocks(model.layers)

    def loss() -> float:
        mx.random.seed(3)
        return float(model(x).item())

    mx.random.seed(3)
    _, gradient = nn.value_and_grad(model, lambda: model(x))()
    start = model.parameters()
    direction = tree_map(lambda p: mx.random.normal(p.shape), start)
    slope = sum(
        (g * d).sum().item()
        for (_, g), (_, d) in zip(tree_flatten(gradient), tree_flatten(direction), strict=True)
    )

    def at(step: float) -> float:
        model.update(tree_map(lambda p, d: p + step * d, start, direction))
        return loss()

    assert slope == pytest.approx((at(1e-2) - at(-1e-2)) / 2e-2, rel=2e-2)


def test_dropout_still_drops_and_inference_still_does_not() -> None:
    mx.random.seed(0)
    model = Model(0.5)
    x = mx.random.normal((4, 8))
    checkpoint_blocks(model.layers)
    model.train()
    assert model(x).item() != model(x).item()
    model.eval()
    assert model(x).item() == model(x).item()


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_run_with_checkpointing_learns_the_same(prepare: Prepare, dropout: float) -> None:
    fields: dict[str, Any] = {
        "iters": 4,
        "grad_accumulation_steps": 2,
        "lora_parameters": {"dropout": dropout},
    }
    plain = prepare(**fields).start()
    checkpointed = prepare(grad_checkpoint=True, **fields).start()
    assert plain.wait() == checkpointed.wait() == 0
    # Other dropout masks are drawn; without dropout nothing differs but rounding.
    tolerance = 0.5 if dropout else 1e-4
    assert checkpointed.losses == pytest.approx(plain.losses, abs=tolerance)
