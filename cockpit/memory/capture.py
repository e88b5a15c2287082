"""The graph of a function over lazy arrays, without evaluating any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mlx.core as mx

from cockpit.memory.graph import Graph, Op, Value

# A leaf in a tree of modules, dicts and lists: assigning container[key] replaces it.
Leaf = tuple[Any, Any]


def leaves(tree: Any) -> Iterator[Leaf]:
    """Every array's place in ``tree``, in the order in which mx.compile flattens it."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        if isinstance(value, mx.array):
            yield tree, key
        elif isinstance(value, (dict, list, tuple)):
            yield from leaves(value)


def capture(function: Callable[..., Sequence[mx.array]], arrays: Sequence[mx.array]) -> Graph:
    """The graph of ``function(*arrays)``, simplified as mx.compile simplifies it."""
    recorder = _Recorder()
    mx.export_function(recorder, function, *arrays)
    return recorder.graph()


def capture_with_state(
    state: Any, function: Callable[..., Sequence[mx.array]], arguments: Sequence[mx.array]
) -> tuple[Graph, list[Leaf]]:
    """The graph of a function that reads and replaces the arrays in ``state``.

    Its inputs are the leaves of ``state``, whose places are returned, and then ``arguments``; its
    outputs what ``function`` returns and then the leaves as it left them, which are evaluated
    first as the trainers ask for them first. ``state`` is left as it was found.
    """
    places = list(leaves(state))
    before = [container[key] for container, key in places]
    after: list[Leaf] = []
    returned: list[int] = []

    def traced(*inputs: mx.array) -> list[mx.array]:
        _fill(places, inputs)
        outputs = list(function(*inputs[len(places) :]))
        returned.append(len(outputs))
        after[:] = leaves(state)
        return outputs + [container[key] for container, key in after]

    mx.random.seed(0)  # the key as it is after building would bring every draw so far along
    try:
        graph = capture(traced, [*before, *arguments])
    finally:
        for container, key in _born(after, places):
            del container[key]
        _fill(places, before)
        mx.random.seed(0)  # tracing drew from it
    first = returned[-1]
    graph.evaluated = graph.outputs[first:] + graph.outputs[:first]
    return graph, places


def _born(after: Sequence[Leaf], before: Sequence[Leaf]) -> list[Leaf]:
    """Places that ``after`` has and ``before`` has not, such as moments born in a step."""
    known = {(id(container), key) for container, key in before}
    return [
        (container, key)
        for container, key in after
        if (id(container), key) not in known and isinstance(container, dict)
    ]


def _fill(places: Sequence[Leaf], arrays: Sequence[mx.array]) -> None:
    for (container, key), array in zip(places, arrays, strict=False):
        container[key] = array


class _Recorder:
    """Collects what mx.export_function's callback is told."""

    def __init__(self) -> None:
        self._values: dict[str, Value] = {}
        self._inputs: list[Value] = []
        self._outputs: list[str] = []
        self._constants: dict[Value, Any] = {}
        self._ops: list[Op] = []

    def __call__(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "primitive":
            values = self._values
            inputs = [values[name] for name, _, _ in event["inputs"]]
            outputs = [self._value(*described) for described in event["outputs"]]
            self._ops.append(Op(event["name"], inputs, outputs, event["arguments"]))
        elif kind == "inputs":
            self._inputs = [self._value(*described) for described in event["inputs"]]
        elif kind == "outputs":
            self._outputs = [name for name, _, _ in event["outputs"]]
        elif kind == "constants":
            for name, array in event["constants"]:
                value = self._value(name, array.shape, array.dtype)
                value.scalar_constant = value.size == 1
                self._constants[value] = array

    def _value(self, name: str, shape: Sequence[int], dtype: Any) -> Value:
        value = self._values[name] = Value(name, tuple(shape), dtype.size)
        return value

    def graph(self) -> Graph:
        outputs = [self._values[name] for name in self._outputs]
        return Graph(self._inputs, outputs, self._constants, self._ops, list(outputs))
