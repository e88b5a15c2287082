"""Primitives that look at a buffer another way: no work, and no memory unless it takes a copy."""

from __future__ import annotations

from cockpit.memory import layout
from cockpit.memory.buffers import Memory
from cockpit.memory.graph import Op
from cockpit.memory.layout import Layout


def same(op: Op, memory: Memory) -> int:
    for out, source in zip(op.outputs, op.inputs, strict=False):
        memory.view(out, source)
    return 0


def custom(op: Op, memory: Memory) -> int:
    """A checkpointed block: its results are the last of its inputs."""
    for out, source in zip(op.outputs, op.inputs[-len(op.outputs) :], strict=True):
        memory.view(out, source)
    return 0


def transpose(op: Op, memory: Memory) -> int:
    source, out = op.inputs[0], op.outputs[0]
    lay = layout.transposed(out.shape, source.memory.layout, source.size, tuple(op.arguments[0]))
    memory.view(out, source, lay)
    return 0


def reshape(op: Op, memory: Memory) -> int:
    source, out = op.inputs[0], op.outputs[0]
    lay = layout.reshaped(out.shape, source.shape, source.memory.layout, source.size)
    if lay is None:
        memory.fresh(out)
        return 1
    memory.view(out, source, lay)
    return 0


def broadcast(op: Op, memory: Memory) -> int:
    source, out = op.inputs[0], op.outputs[0]
    grows = out.size > source.size
    lay = layout.broadcast(out.shape, source.shape, source.memory.layout, grows)
    memory.view(out, source, lay)
    return 0


def expand_dims(op: Op, memory: Memory) -> int:
    source = op.inputs[0]
    strides = list(source.memory.layout.strides)
    for axis in op.arguments[0]:
        strides.insert(axis, 1)
    memory.view(op.outputs[0], source, source.memory.layout._replace(strides=tuple(strides)))
    return 0


def squeeze(op: Op, memory: Memory) -> int:
    source = op.inputs[0]
    gone = set(op.arguments[0])
    steps = enumerate(source.memory.layout.strides)
    strides = tuple(step for axis, step in steps if axis not in gone)
    memory.view(op.outputs[0], source, source.memory.layout._replace(strides=strides))
    return 0


def slice_(op: Op, memory: Memory) -> int:
    source, out = op.inputs[0], op.outputs[0]
    memory.view(out, source, layout.sliced(out.shape, source.memory.layout, tuple(op.arguments[2])))
    return 0


def split(op: Op, memory: Memory) -> int:
    for out in op.outputs:
        memory.view(out, op.inputs[0], layout.split(out.shape, op.inputs[0].memory.layout))
    return 0


def as_strided(op: Op, memory: Memory) -> int:
    out = op.outputs[0]
    memory.view(out, op.inputs[0], layout.strided(out.shape, tuple(op.arguments[1])))
    return 0


def reinterpret(op: Op, memory: Memory) -> int:
    """``mx.view``: the same bytes as another type."""
    source, out = op.inputs[0], op.outputs[0]
    lay: Layout = source.memory.layout
    if source.itemsize == out.itemsize:
        memory.view(out, source)
        return 0
    if lay.rows:
        elements = lay.data_size * source.itemsize // out.itemsize
        memory.view(out, source, layout.packed(out.shape, out.size)._replace(data_size=elements))
        return 0
    memory.fresh(out)
    return 1
