"""The gradient of expert weights, which ``mx.export_function`` refuses, put into a graph.

``mx.gather_mm``'s backward pass is a SegmentedMM, which cannot be exported. While tracing, the
product is taken with the weights' gradient stopped, and one element of the weights is added to
the result. Which element is the product's number: its gradient, found again by that number, is
then replaced by what MLX would have built.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from cockpit.memory.graph import Graph, Op, Shape, Value, in_tape_order

_PASSING_ON = frozenset(
    ("Reshape", "Broadcast", "ExpandDims", "Squeeze", "Flatten", "Unflatten", "AsType", "Transpose")
)
_SUMMING = frozenset(("Reduce", "Squeeze", "Reshape", "AsType"))


@dataclass(slots=True)
class Products:
    """The products with experts that were traced: are their indices sorted?"""

    sorted_indices: list[bool] = field(default_factory=list)

    def place(self, number: int, shape: Shape) -> Shape:
        """The element of the weights that stands for a product."""
        place = []
        for extent in reversed(shape):
            place.append(number % extent)
            number //= extent
        return tuple(reversed(place))


@contextmanager
def replaced_expert_products() -> Iterator[Products]:
    """Inside, ``mx.gather_mm`` has a gradient that can be exported."""
    products = Products()
    original = mx.gather_mm

    def gather_mm(a: mx.array, b: mx.array, *args: Any, **kwargs: Any) -> mx.array:
        number = len(products.sorted_indices)
        products.sorted_indices.append(bool(kwargs.get("sorted_indices", False)))
        y = original(a, mx.stop_gradient(b), *args, **kwargs)
        place = products.place(number, tuple(b.shape))
        one = b[tuple(slice(i, i + 1) for i in place)].reshape(())
        return y + one.astype(y.dtype)

    mx.gather_mm = gather_mm
    try:
        yield products
    finally:
        mx.gather_mm = original


def rewrite(graph: Graph, products: Products) -> None:
    """Takes the added elements out and puts the weights' gradients in."""
    if not products.sorted_indices:
        return
    forward = _products(graph, products)
    replaced: dict[Value, Value] = {}
    for addition, product in forward.values():
        replaced[addition.outputs[0]] = product.outputs[0]
    gradients = _Gradients(graph)
    for op in graph.ops:
        if op.name == "SliceUpdate" and op.inputs[1].size == 1:
            number = _number(products, op.outputs[0].shape, op.arguments[1])
            cotangent = _summed(op.inputs[1])
            if number in forward and cotangent is not None:
                product = forward[number][1]
                replaced[op.outputs[0]] = gradients.of(
                    product, cotangent, op.outputs[0], products.sorted_indices[number]
                )
    _substitute(graph, replaced)


def _number(products: Products, shape: Shape, start: Any) -> int:
    number = 0
    for extent, place in zip(shape, start, strict=True):
        number = number * extent + int(place)
    return number


def _products(graph: Graph, products: Products) -> dict[int, tuple[Op, Op]]:
    """By number: the addition that carries the element, and the product it is added to."""
    found: dict[int, tuple[Op, Op]] = {}
    for op in graph.ops:
        if op.name != "Add":
            continue
        product = op.inputs[0].op
        if product is None or product.name != "GatherMM":
            continue
        source = op.inputs[1].op
        while source is not None and source.name in _PASSING_ON:
            source = source.inputs[0].op
        if source is None or source.name != "Slice" or source.outputs[0].size != 1:
            continue
        if math.prod(source.inputs[0].shape) == math.prod(product.inputs[1].shape):
            shape = source.inputs[0].shape
            found[_number(products, shape, source.arguments[0])] = (op, product)
    return found


def _summed(value: Value) -> Value | None:
    """The cotangent that was summed into ``value``."""
    while value.op is not None and value.op.name in _PASSING_ON:
        value = value.op.inputs[0]
    while value.op is not None and value.op.name in _SUMMING:
        value = value.op.inputs[0]
    return value if value.size > 1 else None


class _Gradients:
    """``gather_mm_grad`` in MLX: the gradients of experts' weights from those of products."""

    def __init__(self, graph: Graph) -> None:
        self._segments: dict[Value, Value] = {}
        self._zero = Value("zero", (1,), 4)
        graph.constants[self._zero] = None

    def of(self, product: Op, cotangent: Value, like: Value, in_order: bool) -> Value:
        """A gradient of ``like``'s shape: (experts, inputs, outputs)."""
        experts, inputs, outputs = like.shape
        grouped = Value(like.name + ":grouped", (experts, outputs, inputs), like.itemsize)
        if in_order:
            self._by_segments(product, cotangent, grouped)
        else:
            self._one_by_one(product, cotangent, grouped)
        result = like.like(":gradient")
        Op("Transpose", [grouped], [result], [[0, 2, 1]])
        return result

    def _by_segments(self, product: Op, cotangent: Value, grouped: Value) -> None:
        experts, outputs, inputs = grouped.shape
        rows = cotangent.size // outputs
        flat = Value(cotangent.name + ":flat", (rows, outputs), cotangent.itemsize)
        Op("Flatten", [cotangent], [flat])
        turned = Value(flat.name + ":turned", (outputs, rows), flat.itemsize)
        Op("Transpose", [flat], [turned], [[1, 0]])
        x = product.inputs[0]
        flat_x = Value(x.name + ":flat", (x.size // inputs, inputs), x.itemsize)
        Op("Flatten", [x], [flat_x])
        ends = self._ends(product.inputs[3], experts)
        bounds = Value(ends.name + ":bounds", (experts + 1,), ends.itemsize)
        Op("Concatenate", [self._zero, ends], [bounds])
        pairs = Value(ends.name + ":pairs", (experts, 2), ends.itemsize)
        Op("AsStrided", [bounds], [pairs], [(experts, 2), (1, 1), 0])
        Op("SegmentedMM", [turned, flat_x, pairs], [grouped])

    def _ends(self, indices: Value, experts: int) -> Value:
        """Where each expert's rows end; one count for all products with the same indices."""
        if indices not in self._segments:
            counts = Value(indices.name + ":counts", (experts,), 4)
            ends, zeros = counts.like(":ends"), counts.like(":zeros")
            Op("Full", [self._zero], [zeros])
            Op("ScatterAxis", [zeros, indices], [counts])
            Op("Scan", [counts], [ends])
            self._segments[indices] = ends
        return self._segments[indices]

    def _one_by_one(self, product: Op, cotangent: Value, grouped: Value) -> None:
        _, outputs, inputs = grouped.shape
        rows = cotangent.size // outputs
        column = Value(cotangent.name + ":column", (rows, outputs, 1), cotangent.itemsize)
        Op("Reshape", [cotangent], [column])
        each = Value(grouped.name + ":each", (rows, outputs, inputs), grouped.itemsize)
        Op("GatherMM", [column, product.inputs[0]], [each])
        zeros = grouped.like(":zeros")
        Op("Full", [self._zero], [zeros])
        Op("Scatter", [zeros, each], [grouped])


def _substitute(graph: Graph, replaced: dict[Value, Value]) -> None:
    """Lets everything read what took the place of others, the new operations included."""
    graph.substitute_outputs(replaced)
    for op in graph.ops:
        op.inputs = [replaced.get(value, value) for value in op.inputs]
    for op in in_tape_order(graph.outputs):
        op.inputs = [replaced.get(value, value) for value in op.inputs]
    graph.ops = in_tape_order(graph.outputs)
