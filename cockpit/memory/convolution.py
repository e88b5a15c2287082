"""Convolutions as MLX's CPU backend runs them: read from ``backend/cpu/conv.cpp``.

Most become one matrix product over every window of the padded input, written out: for a short
causal convolution over many channels, as in state-space models, that is several times the input.
"""

from __future__ import annotations

import math

from cockpit.memory.buffers import Memory
from cockpit.memory.graph import Op

_FLOAT32_BYTES = 4


def convolution(op: Op, memory: Memory) -> int:
    source, weights = op.inputs
    out = op.outputs[0]
    memory.fresh(out)
    _, before, after, spread, gaps, groups, flip = op.arguments
    if any(step != 1 for step in (*spread, *gaps)):
        return 1  # a plain loop
    if groups > 1 and (flip or len(before) > 1):
        return 1

    def float32(elements: int) -> None:
        memory.temporary(elements * _FLOAT32_BYTES, out)

    spatial = zip(source.shape[1:-1], before, after, strict=True)
    padded = math.prod(extent + low + high for extent, low, high in spatial)
    batch, channels = source.shape[0], source.shape[-1]
    float32(1)
    float32(batch * padded * channels)
    float32(math.prod(out.shape[:-1]) * math.prod(weights.shape[1:-1]) * channels)
    # Zeros, the input into them, the windows, and the product.
    work = 4
    packed = weights.itemsize == _FLOAT32_BYTES and weights.memory.layout.rows
    if groups > 1 or not packed:
        float32(weights.size)
        work += 1
    if flip:
        float32(weights.size)
        work += 2
    if out.itemsize != _FLOAT32_BYTES:
        float32(out.size)
        work += 1
    return work
