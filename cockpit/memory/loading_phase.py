"""Loading the model, as a phase of its own: weights come as stored, and are cast if need be.

On a Linux CPU the trainer computes in float32, so weights of 16 bits are there twice for a while:
with a small plan that is more than any update takes. What a resume adds, the trained weights and
then the optimizer's moments, an update holds as well, with gradients on top; bench/phases.py
measures all of them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn

from cockpit.core.profiles import Backend
from cockpit.memory.capture import leaves
from cockpit.memory.graph import Graph, Op, Shape, Value
from cockpit.memory.phases import Phase

LOADING = "loading of the model"
_FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Stored:
    """One array of a model's files."""

    shape: Shape
    itemsize: int
    is_floating: bool


def stored_arrays(model: nn.Module) -> list[Stored]:
    """What the files of ``model`` hold, in the order of loading; ask before it is cast."""
    arrays = [container[key] for container, key in leaves(model.parameters())]
    return [
        Stored(tuple(a.shape), a.dtype.size, mx.issubdtype(a.dtype, mx.floating)) for a in arrays
    ]


def loading_phase(stored: list[Stored], backend: Backend) -> Phase:
    """``mx.eval(model.parameters())`` after mlx-lm's lazy load and the trainer's cast."""
    casts = backend == "cpu" and sys.platform == "linux"
    graph = Graph([], [], {}, [])
    for array in stored:
        value = Value("stored", array.shape, array.itemsize)
        graph.ops.append(Op("Load", [], [value]))
        if casts and array.is_floating and array.itemsize != _FLOAT32_BYTES:
            cast = Value("weight", array.shape, _FLOAT32_BYTES)
            graph.ops.append(Op("AsType", [value], [cast]))
            graph.roles[value] = "weight"
            value = cast
        graph.roles[value] = "weight"
        graph.outputs.append(value)
    graph.evaluated = list(graph.outputs)
    return Phase(LOADING, graph, 0)
