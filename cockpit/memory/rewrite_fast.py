"""``mx.fast``'s primitives kept whole, as GPU backends run them. Not validated on a GPU.

A trace on the CPU takes RMSNorm, LayerNorm, RoPE and attention apart, and what it makes of their
backward passes cannot be exported when they are whole. So each call's arguments and result are
multiplied by a one of its own. The chain rule multiplies the gradients by the same ones, which
marks where the backward pass of the call begins and ends, and both passes are then replaced by
one operation each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from cockpit.core.profiles import Backend
from cockpit.memory.graph import Graph, Op, Value, in_tape_order

# Every mark is a constant from here on, of one element: no model has such constants.
_FIRST_MARK = 1 << 31

# Head sizes with a fused kernel for whole sequences (Metal: has_fused_kernel, CUDA: cuDNN).
_FUSED_HEADS = frozenset({64, 80, 96, 128})

_BACKWARD = {
    "RMSNorm": "RMSNormVJP",
    "LayerNorm": "LayerNormVJP",
    "RoPE": "RoPE",
    "ScaledDotProductAttention": "ScaledDotProductAttentionVJP",
}


@dataclass(slots=True)
class _Call:
    """One call: its primitive, the marks on its arguments, and the one on its result."""

    name: str
    arguments: list[int]
    result: int


@dataclass(slots=True)
class Calls:
    """What was traced, in order."""

    backend: Backend
    blocked_attention: bool = True
    calls: list[_Call] = field(default_factory=list)
    marks: int = 0

    def mark(self, array: mx.array) -> mx.array:
        one = mx.array([_FIRST_MARK + self.marks], mx.uint32).astype(array.dtype)
        self.marks += 1
        return array * one

    def whole(self, name: str, function: Callable[..., mx.array]) -> Callable[..., mx.array]:
        """``function`` with its leading array arguments and its result marked."""

        def call(*args: Any, **kwargs: Any) -> mx.array:
            if name == "ScaledDotProductAttention" and not self._is_fused(*args[:3]):
                return function(*args, **kwargs)
            first = self.marks
            marked = [self._if_floating(argument) for argument in args]
            named = {key: self._if_floating(value) for key, value in kwargs.items()}
            arguments = list(range(first, self.marks))
            result = self.mark(function(*marked, **named))
            self.calls.append(_Call(name, arguments, self.marks - 1))
            return result

        return call

    def _if_floating(self, argument: Any) -> Any:
        if isinstance(argument, mx.array) and mx.issubdtype(argument.dtype, mx.floating):
            return self.mark(argument)
        return argument

    def _is_fused(self, q: mx.array, k: mx.array, v: mx.array) -> bool:
        if not self.blocked_attention or (self.backend == "cuda" and q.dtype == mx.float32):
            return False
        return q.shape[-1] == v.shape[-1] and q.shape[-1] in _FUSED_HEADS and q.shape[-2] > 8


_FUNCTIONS = {
    "rms_norm": "RMSNorm",
    "layer_norm": "LayerNorm",
    "rope": "RoPE",
    "scaled_dot_product_attention": "ScaledDotProductAttention",
}


@contextmanager
def marked_calls(backend: Backend, blocked_attention: bool = True) -> Iterator[Calls]:
    """Inside, calls of mx.fast are marked if ``backend`` runs them whole.

    Metal has had a blocked backward pass of attention since mlx 0.32.4. Before, it took attention
    apart to train: pass False.
    """
    calls = Calls(backend, blocked_attention)
    if backend == "cpu":
        yield calls
        return
    originals = {name: getattr(mx.fast, name) for name in _FUNCTIONS}
    for name, primitive in _FUNCTIONS.items():
        setattr(mx.fast, name, calls.whole(primitive, originals[name]))
    try:
        yield calls
    finally:
        for name, original in originals.items():
            setattr(mx.fast, name, original)


@dataclass(slots=True)
class _Point:
    """A mark in the graph: the multiplications of the forward and of the backward pass."""

    forward: Op
    backward: Op | None = None


def rewrite(graph: Graph, calls: Calls) -> None:
    """Makes every marked call one operation, and its gradient another."""
    if not calls.calls:
        return
    points = _find_points(graph)
    for call in calls.calls:
        result = points.get(call.result)
        if result is not None:
            arguments = [points[mark] for mark in call.arguments if mark in points]
            _make_whole(call.name, arguments, result)
    _drop_unused_marks(graph, points)
    graph.ops = in_tape_order(graph.outputs)


def _find_points(graph: Graph) -> dict[int, _Point]:
    ones: dict[Value, int] = {}
    for value, array in graph.constants.items():
        if value.shape == (1,) and array.dtype == mx.uint32 and array.item() >= _FIRST_MARK:
            ones[value] = array.item() - _FIRST_MARK
    points: dict[int, _Point] = {}
    for op in graph.ops:
        mark = next((ones[value] for value in op.inputs if value in ones), None)
        if mark is None:
            continue
        if op.name != "Multiply":  # the cast and the broadcast of the one
            ones[op.outputs[0]] = mark
        elif mark in points:
            points[mark].backward = op
        else:
            points[mark] = _Point(op)
        if op.name == "Multiply":
            op.inputs = [value for value in op.inputs if value not in ones]
    return points


def _make_whole(name: str, arguments: list[_Point], result: _Point) -> None:
    sources = [point.forward.inputs[0] for point in arguments]
    out = result.forward.outputs[0]
    outputs = [out]
    if name == "ScaledDotProductAttention":
        outputs.append(_log_sums(out))
    Op(name, sources, outputs)
    if result.backward is None:
        return
    gradient = result.backward.inputs[0]
    gradients = [
        point.backward.outputs[0] if point.backward else source.like(":unused gradient")
        for point, source in zip(arguments, sources, strict=True)
    ]
    if name == "RoPE":  # the rotation back, its other arguments as they were
        Op(_BACKWARD[name], [gradient, *sources[1:]], gradients[:1])
    elif name == "ScaledDotProductAttention":
        Op(_BACKWARD[name], [*sources, *outputs, gradient], gradients[:3])
    else:
        Op(_BACKWARD[name], [*sources, gradient], gradients)


def _log_sums(out: Value) -> Value:
    """Attention's second result when it trains: one float32 for each row of the softmax."""
    return Value(out.name + ":log sums", (*out.shape[:-1], 1), 4)


def _drop_unused_marks(graph: Graph, points: dict[int, _Point]) -> None:
    """Marks whose call was not replaced multiply by nothing."""
    replaced: dict[Value, Value] = {}
    for point in points.values():
        for op in (point.forward, point.backward):
            if op is not None and op.outputs[0].op is op:
                replaced[op.outputs[0]] = op.inputs[0]

    def final(value: Value) -> Value:
        while value in replaced:
            value = replaced[value]
        return value

    for op in in_tape_order(graph.outputs):
        op.inputs = [final(value) for value in op.inputs]
    graph.substitute_outputs({value: final(value) for value in replaced})
