"""What a training process takes beside MLX's buffers: interpreter, libraries, tokenizer, data.

All of it in bytes that the kernel cannot drop: pages of library files are not counted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from cockpit.core.profiles import Backend
from cockpit.system import sensors

# What the trainer's imports take where that was not measured: CPython 3.11 on Linux x86-64.
USUAL_IMPORTS_BYTES = 65_000_000
# For each entry of the vocabulary, measured with tokenizers of 10, 49, 128 and 256 thousand
# entries: 1,160 to 1,210 bytes. While it is read it takes half as much again, before training.
TOKENIZER_ENTRY_BYTES = 1_200
# An example is an array of 32-bit tokens.
_TOKEN_BYTES = 4
_EXAMPLE_BYTES = 128

# Rounded up to whole ones: it is not quite the same in each start.
_STEP_BYTES = 5_000_000

_measured_bytes: int | None = None


def measure_imports() -> None:
    """Remembers what this process takes, which has imported what the trainer does and no more."""
    global _measured_bytes
    found = sensors.machine_source().process(os.getpid()).footprint_bytes
    _measured_bytes = None if found is None else -(-found // _STEP_BYTES) * _STEP_BYTES


def outside_mlx(backend: Backend, vocabulary: int, imports_bytes: int | None = None) -> int:
    """What a run needs beyond MLX's buffers, of the memory that a budget on ``backend`` is about.

    Without its data. A CUDA device's memory holds the buffers alone.
    """
    if backend == "cuda":
        return 0
    imports = imports_bytes or _measured_bytes or USUAL_IMPORTS_BYTES
    return imports + TOKENIZER_ENTRY_BYTES * vocabulary


def of_data(backend: Backend, *splits: Sequence[int]) -> int:
    """What the examples of these lengths, in tokens, take."""
    if backend == "cuda":
        return 0
    return sum(_TOKEN_BYTES * sum(lengths) + _EXAMPLE_BYTES * len(lengths) for lengths in splits)
