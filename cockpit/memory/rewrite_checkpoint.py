"""Gradient checkpointing, which ``mx.export_function`` refuses, put into a captured graph.

While tracing, ``mx.checkpoint`` only marks where a block's arguments and results are. Afterwards
the graph is made what MLX would have built: the block's results pass through one CustomTransforms
operation, and whatever the backward pass reads of the block's inside is computed a second time,
from arguments that depend on those results and so cannot be ready earlier.

A block may return an argument as it came (gemma4 hands shared keys and values from block to
block). Each argument and result is marked on its own, so the block's inside still ends there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import mlx.core as mx
from mlx.utils import tree_map

from cockpit.memory.graph import Graph, Op, Value, in_tape_order

# Splitting a key draws this many numbers; anything larger is a mask of the block's own.
_KEY_PAIR = 4

# Tags are scalar constants from here on: no model counts in these.
_FIRST_TAG = 1 << 52


@dataclass(frozen=True, slots=True)
class _Mark:
    block: int
    side: Literal["argument", "result"]


@dataclass(slots=True)
class Marks:
    """What was marked while tracing, by the number on the tag."""

    marks: list[_Mark] = field(default_factory=list)
    blocks: int = 0

    def checkpoint(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Stands in for ``mx.checkpoint``."""

        def marked(*args: Any, **kwargs: Any) -> Any:
            block = self.blocks
            self.blocks += 1
            args, kwargs = tree_map(self._marker(block, "argument"), (list(args), kwargs))
            return tree_map(self._marker(block, "result"), function(*args, **kwargs))

        return marked

    def _marker(self, block: int, side: Literal["argument", "result"]) -> Callable[[Any], Any]:
        def mark(leaf: Any) -> Any:
            if not isinstance(leaf, mx.array):
                return leaf
            tag = mx.array(_FIRST_TAG + len(self.marks), mx.uint64)
            self.marks.append(_Mark(block, side))
            return mx.depends([leaf], [tag])[0]

        return mark


@contextmanager
def marked_checkpoints() -> Iterator[Marks]:
    """Inside, checkpointed blocks are traced as marked plain ones."""
    marks = Marks()
    original = mx.checkpoint
    mx.checkpoint = marks.checkpoint
    try:
        yield marks
    finally:
        mx.checkpoint = original


def rewrite(graph: Graph, marks: Marks) -> None:
    """Makes marked blocks checkpointed ones."""
    if not marks.blocks:
        return
    blocks = _find_blocks(graph, marks)
    readers = _readers(graph)
    replaced: dict[Value, Value] = {}
    for block in blocks:
        _compute_twice(graph, block, readers, replaced)
    graph.substitute_outputs(replaced)
    graph.ops = in_tape_order(graph.outputs)


@dataclass(slots=True)
class _Block:
    """One checkpointed call: ``arguments`` and ``results`` map what is marked to its marker."""

    arguments: dict[Value, Value] = field(default_factory=dict)
    results: dict[Value, Value] = field(default_factory=dict)
    inside: list[Op] = field(default_factory=list)


def _find_blocks(graph: Graph, marks: Marks) -> list[_Block]:
    blocks = [_Block() for _ in range(marks.blocks)]
    tagged = {number: op for op in graph.ops if (number := _tag(graph, op)) is not None}
    for number, op in sorted(tagged.items()):  # in the order in which they were passed
        mark = marks.marks[number]
        block = blocks[mark.block]
        side = block.arguments if mark.side == "argument" else block.results
        side[op.inputs[0]] = op.outputs[0]
    positions = {op: position for position, op in enumerate(graph.ops)}
    for block in blocks:
        block.inside = _inside(graph, block, positions)
    return blocks


def _tag(graph: Graph, op: Op) -> int | None:
    if op.name != "Depends" or op.inputs[-1] not in graph.constants:
        return None
    number = graph.constants[op.inputs[-1]].item() - _FIRST_TAG
    return number if number >= 0 else None


def _inside(graph: Graph, block: _Block, positions: dict[Op, int]) -> list[Op]:
    """What a block computes between its arguments and its results, in order.

    Besides what follows from the arguments that is what it makes of nothing, such as rotation
    angles, and dropout masks, which mlx-lm draws from the global key and draws again.
    """
    arguments = set(block.arguments.values())
    above: set[Op] = set()
    pending = [v.op for v in block.results if v not in arguments and v.op is not None]
    while pending:
        op = pending.pop()
        if op not in above:
            above.add(op)
            pending += [v.op for v in op.inputs if v not in arguments and v.op is not None]
    below = set(arguments)
    of_nothing: set[Value] = set()
    inside = []
    for op in sorted(above & positions.keys(), key=positions.__getitem__):
        if _starts_from_nothing(op, of_nothing, graph):
            of_nothing.update(op.outputs)
            inside.append(op)
        elif _draws_mask(op) or not (
            below.isdisjoint(op.inputs) and of_nothing.isdisjoint(op.inputs)
        ):
            below.update(op.outputs)
            inside.append(op)
    return inside


def _starts_from_nothing(op: Op, of_nothing: set[Value], graph: Graph) -> bool:
    if not op.inputs:
        return True
    return not of_nothing.isdisjoint(op.inputs) and all(
        value in of_nothing or value in graph.constants for value in op.inputs
    )


def _draws_mask(op: Op) -> bool:
    return op.name == "RandomBits" and op.outputs[0].size > _KEY_PAIR


def _readers(graph: Graph) -> dict[Value, list[Op]]:
    readers: dict[Value, list[Op]] = {}
    for op in graph.ops:
        for value in op.inputs:
            readers.setdefault(value, []).append(op)
    return readers


def _compute_twice(
    graph: Graph,
    block: _Block,
    readers_of: dict[Value, list[Op]],
    replaced: dict[Value, Value],
) -> None:
    markers = {marker.op for marker in (*block.arguments.values(), *block.results.values())}
    plain = {marker: value for value, marker in block.arguments.items()}
    produced = {value for op in block.inside for value in op.outputs}
    again = {marker: marker.like(":again") for marker in plain}
    own = markers.union(block.inside)
    readers = {
        op: None
        for value in (*plain, *produced)
        for op in readers_of.get(value, ())
        if op not in own
    }
    wanted = {value for op in readers for value in op.inputs if value in produced}
    wanted |= {value for value in graph.outputs if value in produced}
    clones = again | _clone(block.inside, wanted, again)
    for op in readers:
        op.inputs = [clones.get(value, value) for value in op.inputs]
    for value in graph.outputs:
        if value in clones:
            replaced[value] = clones[value]
    for op in block.inside:
        op.inputs = [plain.get(value, value) for value in op.inputs]
    computed = [plain.get(value, value) for value in block.results]
    results = list(block.results.values())
    arguments = list(block.arguments)
    Op("CustomTransforms", [*arguments, *computed], results)
    if again:
        Op("Depends", [*arguments, *results], list(again.values()))


def _clone(
    ops: Iterable[Op], wanted: set[Value], arguments: dict[Value, Value]
) -> dict[Value, Value]:
    """Copies of those of ``ops`` that ``wanted`` needs, reading ``arguments`` in place of its."""
    ops = list(ops)
    needed: set[Value] = set(wanted)
    for op in reversed(ops):
        if not needed.isdisjoint(op.outputs):
            needed.update(op.inputs)
    clones: dict[Value, Value] = {}
    for op in ops:
        if not needed.isdisjoint(op.outputs):
            inputs = [arguments.get(value) or clones.get(value) or value for value in op.inputs]
            outputs = [value.like(":again") for value in op.outputs]
            Op(op.name, inputs, outputs, op.arguments)
            clones.update(zip(op.outputs, outputs, strict=True))
    return clones
