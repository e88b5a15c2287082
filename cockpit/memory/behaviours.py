"""How MLX's CPU primitives place their results: read from ``backend/cpu`` and ``backend/common``.

A behaviour places an operation's results and returns how many pieces of work it dispatches.
"""

from __future__ import annotations

from cockpit.memory import layout
from cockpit.memory.buffers import DONATION_SLACK_BYTES, Memory
from cockpit.memory.graph import Op, Value
from cockpit.memory.layout import Layout


def fresh(op: Op, memory: Memory) -> int:
    """New buffers for all results."""
    for out in op.outputs:
        memory.fresh(out)
    return 1


def load(op: Op, memory: Memory) -> int:
    """Read from a file by a thread of its own: not counted among the work."""
    memory.fresh(op.outputs[0])
    return 0


def unary(op: Op, memory: Memory) -> int:
    """In place if the argument is without gaps and not needed any more."""
    source, out = op.inputs[0], op.outputs[0]
    if not source.memory.layout.contiguous:
        memory.fresh(out)
    elif not memory.donate(source, out):
        memory.fresh_like(out, source)
    return 1


def binary(op: Op, memory: Memory) -> int:
    a, b = op.inputs
    out = op.outputs[0]
    of_a: Layout = a.memory.layout
    of_b: Layout = b.memory.layout
    if of_a.data_size == 1 and of_b.data_size == 1:
        memory.fresh_like(out, a)
        return 1
    if of_a.data_size == 1 and of_b.contiguous:
        candidates = [b]
    elif of_b.data_size == 1 and of_a.contiguous:
        candidates = [a]
    elif (of_a.rows and of_b.rows) or (of_a.columns and of_b.columns):
        candidates = [a, b]
    else:
        whole = (v for v in (a, b) if v.memory.layout.rows and v.size == out.size)
        if not any(memory.donate(value, out) for value in whole):
            memory.fresh(out)
        return 1
    if not any(memory.donate(value, out) for value in candidates):
        memory.fresh_like(out, candidates[0])
    return 1


def select(op: Op, memory: Memory) -> int:
    layouts: list[Layout] = [value.memory.layout for value in op.inputs]
    out = op.outputs[0]
    if all(lay.data_size == 1 for lay in layouts):
        memory.fresh_like(out, op.inputs[1])
        return 1
    alike = all(lay.rows for lay in layouts) or all(lay.columns for lay in layouts)
    for value in op.inputs:
        if (alike or value.memory.layout.rows) and memory.donate(value, out):
            return 1
    if alike:
        memory.fresh_like(out, op.inputs[1])
    else:
        memory.fresh(out)
    return 1


def compiled(op: Op, memory: Memory) -> int:
    """A fused kernel: results take over dead inputs of their width, in order."""
    shape = op.outputs[0].shape
    arrays = [value for value in op.inputs if value.shape]
    contiguous = _fused_contiguously(arrays, shape)
    pending = list(op.outputs)
    pattern: Layout | None = None
    for value in arrays:
        if not pending:
            break
        out, lay = pending[0], value.memory.layout
        usable = value.itemsize == out.itemsize and not value.scalar_constant
        if not contiguous:
            usable = usable and lay.rows and value.size == out.size
        if usable and memory.is_donatable(value):
            memory.view(out, value, None if contiguous else layout.packed(out.shape, out.size))
            pending.pop(0)
        if pattern is None and value.size == op.outputs[0].size:
            pattern = lay
    for out in pending:
        if contiguous and pattern is not None:
            place = out.memory
            place.layout = pattern
            place.buffer = memory.allocate(pattern.data_size * out.itemsize, out)
        else:
            memory.fresh(out)
    return 1


def _fused_contiguously(arrays: list[Value], shape: tuple[int, ...]) -> bool:
    if not arrays:
        return not shape
    if any(value.shape != shape for value in arrays):
        return False
    layouts: list[Layout] = [value.memory.layout for value in arrays]
    if len(layouts) == 1:
        return layouts[0].contiguous
    return all(lay.rows for lay in layouts) or all(lay.columns for lay in layouts)


def _copy(source: Value, out: Value, memory: Memory, in_layout: bool) -> int:
    """A copy that keeps the layout, and moves instead where it can, or one that packs."""
    if not in_layout:
        memory.fresh(out)
        return 1
    if memory.donate(source, out):
        return 0
    memory.fresh_like(out, source)
    return 1


def cast(op: Op, memory: Memory) -> int:
    source, out = op.inputs[0], op.outputs[0]
    _copy(source, out, memory, source.memory.layout.contiguous)
    return 1


def full(op: Op, memory: Memory) -> int:
    lay: Layout = op.inputs[0].memory.layout
    in_layout = lay.contiguous and lay.data_size != 1
    return _copy(op.inputs[0], op.outputs[0], memory, in_layout)


def _pack_matrix(value: Value, memory: Memory) -> int:
    """BLAS takes rows or columns side by side; anything else is copied first."""
    rows, columns = value.shape[-2:]
    strides = value.memory.layout.strides
    down, right = strides[-2], strides[-1]
    if (down == columns and right == 1) or (down == 1 and right == rows):
        return 0
    memory.temporary(value.size_bytes, value)
    return 1


def matmul(op: Op, memory: Memory) -> int:
    memory.fresh(op.outputs[0])
    return 1 + _pack_matrix(op.inputs[0], memory) + _pack_matrix(op.inputs[1], memory)


def matmul_add(op: Op, memory: Memory) -> int:
    lay: Layout = op.inputs[2].memory.layout
    work = _copy(op.inputs[2], op.outputs[0], memory, lay.rows and lay.data_size != 1)
    work += _pack_matrix(op.inputs[0], memory) + _pack_matrix(op.inputs[1], memory)
    return work + 1


def quantized_matmul(op: Op, memory: Memory) -> int:
    work = 1
    for value in op.inputs[:4]:
        if len(value.shape) > 1 and value.size > 1 and not value.memory.layout.rows:
            memory.temporary(value.size_bytes, value)
            work += 1
    memory.fresh(op.outputs[0])
    return work


def gathered_quantized_matmul(op: Op, memory: Memory) -> int:
    work = 1
    for value in op.inputs[:4]:
        if len(value.shape) < 2 or value.size < 2:
            continue
        strides = value.memory.layout.strides
        if strides[-1] != 1 or strides[-2] != value.shape[-1]:
            memory.temporary(value.size_bytes, value)
            work += 1
    memory.fresh(op.outputs[0])
    return work


def along_last_axis(op: Op, memory: Memory) -> int:
    """Row by row, such as softmax and norms: in place, or as the argument lies."""
    source, out = op.inputs[0], op.outputs[0]
    if not _last_axis_is_dense(source):
        memory.fresh(out)
        return 2
    if memory.is_donatable(source):
        memory.view(out, source)
    else:
        memory.fresh_like(out, source)
    return 1


def log_sum_exp(op: Op, memory: Memory) -> int:
    work = 1
    if not _last_axis_is_dense(op.inputs[0]):
        memory.temporary(op.inputs[0].size_bytes, op.inputs[0])
        work = 2
    memory.fresh(op.outputs[0])
    return work


def _last_axis_is_dense(value: Value) -> bool:
    lay: Layout = value.memory.layout
    return lay.contiguous and lay.strides[-1] == 1


def scan(op: Op, memory: Memory) -> int:
    work = 1
    if not op.inputs[0].memory.layout.rows:
        memory.temporary(op.inputs[0].size_bytes, op.inputs[0])
        work = 2
    memory.fresh(op.outputs[0])
    return work


def scatter(op: Op, memory: Memory) -> int:
    """Copies what it updates, or moves it, and then writes into it."""
    source = op.inputs[0]
    return _copy(source, op.outputs[0], memory, source.memory.layout.rows) + 1


def slice_update(op: Op, memory: Memory) -> int:
    source = op.inputs[0]
    lay: Layout = source.memory.layout
    whole = lay.contiguous and lay.data_size == source.size and lay.data_size != 1
    return _copy(source, op.outputs[0], memory, whole) + 1


def sort(op: Op, memory: Memory) -> int:
    source = op.inputs[0]
    return _copy(source, op.outputs[0], memory, source.memory.layout.contiguous) + 1


def concatenate(op: Op, memory: Memory) -> int:
    memory.fresh(op.outputs[0])
    return len(op.inputs)


def pad(op: Op, memory: Memory) -> int:
    memory.fresh(op.outputs[0])
    return 2


def segmented_matmul(op: Op, memory: Memory) -> int:
    memory.fresh(op.outputs[0])
    return 1 + _pack_matrix(op.inputs[0], memory) + _pack_matrix(op.inputs[1], memory)


def contiguous(op: Op, memory: Memory) -> int:
    source, out = op.inputs[0], op.outputs[0]
    fits = source.memory.buffer.size_bytes <= out.size_bytes + DONATION_SLACK_BYTES
    if fits and source.memory.layout.rows:
        memory.view(out, source)
        return 0
    memory.fresh(out)
    return 1
