"""A captured computation: values, the operations between them, and where it begins and ends.

``Value`` and ``Op`` are what MLX calls an array and its primitive. They are mutable and have
slots because a training step has ten to twenty thousand of them and is rewritten in place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Shape = tuple[int, ...]
Role = Literal["weight", "adapter", "optimizer", "gradient", "batch", "other"]


class Value:
    """One array. ``op`` is what computes it, None for an input or a constant.

    ``scalar_constant`` marks what MLX writes into a fused kernel instead of passing it.
    """

    __slots__ = ("itemsize", "memory", "name", "op", "scalar_constant", "shape", "size")

    def __init__(self, name: str, shape: Shape, itemsize: int):
        self.name = name
        self.shape = shape
        self.itemsize = itemsize
        self.size = math.prod(shape)
        self.op: Op | None = None
        self.scalar_constant = False
        self.memory: Any = None  # the replay's, see memory/layout.py

    @property
    def size_bytes(self) -> int:
        return self.size * self.itemsize

    def like(self, suffix: str) -> Value:
        """Another value of this shape and width."""
        return Value(self.name + suffix, self.shape, self.itemsize)

    def __repr__(self) -> str:
        return f"{self.name}{list(self.shape)}"


class Op:
    """One primitive applied. ``fused`` names what a Compiled one holds.

    ``reached`` is the output through which the evaluation comes to it.
    """

    __slots__ = ("arguments", "fused", "inputs", "name", "outputs", "reached")

    def __init__(
        self,
        name: str,
        inputs: list[Value],
        outputs: list[Value],
        arguments: list[Any] | None = None,
        fused: tuple[str, ...] = (),
    ):
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.arguments = arguments or []
        self.fused = fused
        self.reached = outputs[0] if outputs else None
        for value in outputs:
            value.op = self

    def __repr__(self) -> str:
        return f"{self.outputs} = {self.name}{self.inputs}"


@dataclass(slots=True)
class Graph:
    """``ops`` come in an order in which each finds its inputs computed.

    ``outputs`` are in the order in which the function returned them, ``evaluated`` in that in
    which they are asked for. ``held`` are inputs that somebody keeps whatever the step does,
    and ``roles`` says what inputs are.
    """

    inputs: list[Value]
    outputs: list[Value]
    constants: dict[Value, Any]
    ops: list[Op]
    evaluated: list[Value] = field(default_factory=list)
    held: set[Value] = field(default_factory=set)
    roles: dict[Value, Role] = field(default_factory=dict)

    def substitute_outputs(self, replaced: dict[Value, Value]) -> None:
        """Points ``outputs`` and ``evaluated`` at what took the place of theirs."""
        self.outputs = [replaced.get(v, v) for v in self.outputs]
        self.evaluated = [replaced.get(v, v) for v in self.evaluated]


def in_tape_order(outputs: Iterable[Value]) -> list[Op]:
    """Every operation that ``outputs`` need, depth first: the order of mx.compile's tape."""
    tape: list[Op] = []
    done: set[Op] = set()
    for root in outputs:
        stack: list[tuple[Op, int]] = []
        if root.op is not None and root.op not in done:
            stack.append((root.op, 0))
        while stack:
            op, index = stack.pop()
            if op in done:
                continue
            inputs = op.inputs
            while index < len(inputs):
                needed = inputs[index].op
                index += 1
                if needed is not None and needed not in done:
                    stack.append((op, index))
                    stack.append((needed, 0))
                    break
            else:
                done.add(op)
                tape.append(op)
    return tape
