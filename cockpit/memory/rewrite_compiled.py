"""Small compiled functions, such as activations, in what is not compiled as a whole: validation.

While tracing, a compiled function is taken apart. Here its calls mark where their arguments and
results are, and afterwards each becomes the fused kernels that MLX makes of it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import CodeType
from typing import Any

import mlx.core as mx
from mlx.utils import tree_map

from cockpit.memory.fuse import BINARY, fuse
from cockpit.memory.graph import Graph, Op, Value, in_tape_order

# Tags are scalar constants from here on: no model counts in these, nor do checkpoints.
_FIRST_TAG = 1 << 54
COMPILED = type(mx.compile(lambda x: x))
_PACKAGES = ("mlx", "mlx_lm")
_OF_SEVERAL = BINARY | {"Select"}


@dataclass(slots=True)
class Calls:
    """What was traced: for each tag the call it belongs to, and whether it is on a result."""

    tags: list[tuple[int, bool]] = field(default_factory=list)
    calls: int = 0
    shapeless: set[int] = field(default_factory=set)
    _inside: bool = False

    def marked(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` with its array arguments and its results marked."""
        is_shapeless = _is_shapeless(getattr(function, "__code__", None))

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._inside:  # a part of the outer one
                return function(*args, **kwargs)
            number = self.calls
            self.calls += 1
            if is_shapeless:
                self.shapeless.add(number)
            given = [self._mark(argument, number, False) for argument in args]
            named = {name: self._mark(value, number, False) for name, value in kwargs.items()}
            self._inside = True
            try:
                results = function(*given, **named)
            finally:
                self._inside = False
            return tree_map(lambda leaf: self._mark(leaf, number, True), results)

        return call

    def _mark(self, leaf: Any, number: int, is_result: bool) -> Any:
        if not isinstance(leaf, mx.array):
            return leaf
        tag = mx.array(_FIRST_TAG + len(self.tags), mx.uint64)
        self.tags.append((number, is_result))
        return mx.depends([leaf], [tag])[0]


@cache
def _is_shapeless(code: CodeType | None) -> bool:
    """Whether it was compiled for any shape; what its decorator says is all that can be seen."""
    try:
        source = inspect.getsource(code) if code is not None else ""
    except OSError:
        return False
    return "shapeless=True" in source.partition("def ")[0]


@contextmanager
def marked_compiled_calls() -> Iterator[Calls]:
    """Inside, calls of MLX's and mlx-lm's own compiled functions are marked."""
    calls = Calls()
    replaced: list[tuple[dict[str, Any], str, Any]] = []
    for module_name, module in list(sys.modules.items()):
        if module_name.split(".")[0] not in _PACKAGES or not hasattr(module, "__dict__"):
            continue
        names = vars(module)
        for name, value in list(names.items()):
            if type(value) is COMPILED:
                replaced.append((names, name, value))
                names[name] = calls.marked(value)
    try:
        yield calls
    finally:
        for names, name, value in replaced:
            names[name] = value


def rewrite(graph: Graph, calls: Calls, fused: bool) -> None:
    """Fuses what each marked call computes, if ``fused``, and takes the marks out."""
    if not calls.tags:
        return
    markers = _find_markers(graph, calls)
    if fused:
        results: dict[int, list[Op]] = {}
        for op, (number, is_result) in markers.items():
            if is_result:
                results.setdefault(number, []).append(op)
        for number, group in results.items():
            _fuse_call(graph, group, markers, number in calls.shapeless)
    sources = {op.outputs[0]: op.inputs[0] for op in markers}

    def unmarked(value: Value) -> Value:
        while value in sources:
            value = sources[value]
        return value

    for op in in_tape_order(graph.outputs):
        op.inputs = [unmarked(value) for value in op.inputs]
    graph.substitute_outputs({value: unmarked(value) for value in sources})
    graph.ops = in_tape_order(graph.outputs)


def _find_markers(graph: Graph, calls: Calls) -> dict[Op, tuple[int, bool]]:
    markers = {}
    for op in graph.ops:
        if op.name == "Depends" and op.inputs[-1] in graph.constants:
            number = graph.constants[op.inputs[-1]].item() - _FIRST_TAG
            if 0 <= number < len(calls.tags):
                markers[op] = calls.tags[number]
    return markers


def _fuse_call(
    graph: Graph, results: list[Op], markers: dict[Op, tuple[int, bool]], shapeless: bool
) -> None:
    """``results`` mark what one call returned."""
    outputs = [op.inputs[0] for op in results]
    inside = [op for op in _above(outputs, markers) if op not in markers]
    if shapeless:
        inside = _broadcast(inside)
    part = Graph([], list(outputs), graph.constants, inside)
    fuse(part)
    for op, value in zip(results, part.outputs, strict=True):
        op.inputs[0] = value


def _broadcast(inside: list[Op]) -> list[Op]:
    """``inside`` as MLX traces it for any shape: each operand is broadcast to the others.

    Broadcasts that would be idle for the shapes at hand count in the depth at which MLX cuts a
    kernel off, and refer to all operands.
    """
    known = {op.outputs[0]: op.inputs[0] for op in inside if op.name == "Broadcast"}
    found = []
    for op in inside:
        if op.name == "Broadcast":
            continue
        if op.name in _OF_SEVERAL:
            shape = op.outputs[0].shape
            operands = [known.get(value, value) for value in op.inputs]
            op.inputs = []
            for value in operands:
                wide = Value(f"{value.name}:wide", shape, value.itemsize)
                others = [other for other in operands if other is not value]
                found.append(Op("Broadcast", [value, *others], [wide], [shape]))
                op.inputs.append(wide)
        found.append(op)
    return found


def _above(outputs: list[Value], markers: dict[Op, tuple[int, bool]]) -> list[Op]:
    """What ``outputs`` are computed with, up to the nearest marks, in order."""
    order: list[Op] = []
    done: set[Op] = set()

    def visit(value: Value) -> None:
        op = value.op
        if op is None or op in markers or op in done:
            return
        done.add(op)
        for needed in op.inputs:
            visit(needed)
        order.append(op)

    for value in outputs:
        visit(value)
    return order
