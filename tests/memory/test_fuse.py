"""Which primitives mx.compile fuses, asked of the MLX that is installed."""

from __future__ import annotations

import io
from collections.abc import Callable

import mlx.core as mx
import pytest

from cockpit.memory.fuse import FUSABLE

_FLOAT = (
    *("abs", "arccos", "arcsin", "arctan", "ceil", "cos", "cosh", "erf", "erfinv", "exp"),
    *("expm1", "floor", "log", "log1p", "negative", "round", "sigmoid", "sign", "sin", "sinh"),
    *("sqrt", "rsqrt", "square", "tan", "tanh"),
)
_PAIRS = (
    *("add", "arctan2", "divide", "floor_divide", "logaddexp", "maximum", "minimum"),
    *("multiply", "power", "remainder", "subtract"),
)
_NOT: dict[str, Callable[[mx.array], mx.array]] = {
    "sum": lambda x: x.sum(axis=0, keepdims=True),
    "softmax": lambda x: mx.softmax(x, axis=-1),
    "matmul": lambda x: x @ x,
    "transpose": lambda x: x.T,
    "sort": lambda x: mx.sort(x, axis=-1),
    "cumsum": lambda x: mx.cumsum(x, axis=0),
    "take": lambda x: x[mx.array([1, 0, 2, 3])],
}


@pytest.mark.parametrize("name", _FLOAT)
def test_functions_of_one_array_are_fused(name: str) -> None:
    names = _primitives(lambda x: getattr(mx, name)(x) + x)
    assert any(found.startswith("Compiled") for found in names)
    assert _traced_name(lambda x: getattr(mx, name)(x)) in FUSABLE


@pytest.mark.parametrize("name", _PAIRS)
def test_functions_of_two_arrays_are_fused(name: str) -> None:
    names = _primitives(lambda x: getattr(mx, name)(x, x * 2) + x)
    assert any(found.startswith("Compiled") for found in names)
    assert _traced_name(lambda x: getattr(mx, name)(x, x)) in FUSABLE


@pytest.mark.parametrize("name", _NOT)
def test_others_are_not(name: str) -> None:
    names = _primitives(lambda x: mx.exp(_NOT[name](mx.exp(x))))
    assert not any(found.startswith("Compiled") for found in names)
    assert _traced_name(_NOT[name]) not in FUSABLE


def _primitives(function: Callable[[mx.array], mx.array]) -> list[str]:
    """What mx.compile makes of ``function``."""
    dot = io.StringIO()
    x = mx.ones((4, 4))
    mx.eval(x)
    mx.export_to_dot(dot, mx.compile(function)(x))
    lines = (line for line in dot.getvalue().splitlines() if "shape=rectangle" in line)
    return [line.split('label ="')[1].split('"')[0] for line in lines]


def _traced_name(function: Callable[[mx.array], mx.array]) -> str:
    """The primitive of ``function``'s result, as a trace names it."""
    from cockpit.memory.capture import capture

    result = capture(lambda x: [function(x)], [mx.ones((4, 4))]).outputs[0]
    assert result.op is not None
    return result.op.name
