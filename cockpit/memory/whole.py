"""``mx.fast``'s primitives as GPU backends run them: read from ``backend/metal``, not validated.

On the CPU MLX takes them apart, and none of these appears.
"""

from __future__ import annotations

from cockpit.memory import layout
from cockpit.memory.buffers import Memory
from cockpit.memory.graph import Op
from cockpit.memory.layout import Layout

# Rows of partial sums that the gradient of a norm's weight is collected in.
_NORM_GROUPS = 512


def norm_gradient(op: Op, memory: Memory) -> int:
    """Inputs are those of the norm and its result's gradient; a gradient for each of them."""
    source, gradient = op.inputs[0], op.inputs[-1]
    out, *of_weights = op.outputs
    if not (memory.donate(source, out) or memory.donate(gradient, out)):
        memory.fresh(out)
    for value in of_weights:
        memory.fresh(value)
        rows = min(_NORM_GROUPS, max(1, source.size // source.shape[-1]))
        memory.temporary(rows * value.size_bytes, value)
    return 1 + len(of_weights)


def rotate(op: Op, memory: Memory) -> int:
    source, out = op.inputs[0], op.outputs[0]
    if not (source.memory.layout.rows and memory.donate(source, out)):
        memory.fresh(out)
    return 1


def attention(op: Op, memory: Memory) -> int:
    """The result lies position by position, heads inside, as the next product wants it."""
    work = 1
    for value in op.inputs[:3]:
        if value.memory.layout.strides[-1] != 1:
            memory.temporary(value.size_bytes, value)
            work += 1
    out, log_sums = op.outputs
    memory.fresh(out)
    _, heads, length, width = out.shape
    strides = (heads * length * width, width, heads * width, 1)
    _, rows, columns = layout.check_contiguity(out.shape, strides)
    out.memory.layout = Layout(strides, out.size, True, rows, columns)
    memory.fresh(log_sums)
    return work


def attention_gradient(op: Op, memory: Memory) -> int:
    """Blocked: no matrix of positions by positions, one sum for each row."""
    log_sums = op.inputs[-2]
    memory.temporary(log_sums.size_bytes, log_sums)
    for out in op.outputs:
        memory.fresh(out)
    return 3
