"""What each MLX primitive does with memory, in one table.

A primitive that is not here has not been read: it is taken to need new buffers, and reported.
"""

from __future__ import annotations

from collections.abc import Callable

from cockpit.core.profiles import Backend
from cockpit.memory import behaviours, views, whole
from cockpit.memory.buffers import Memory
from cockpit.memory.convolution import convolution
from cockpit.memory.fuse import BINARY, UNARY
from cockpit.memory.graph import Op

Behaviour = Callable[[Op, Memory], int]

_TABLE: dict[str, Behaviour] = {
    **dict.fromkeys(UNARY, behaviours.unary),
    **dict.fromkeys(BINARY, behaviours.binary),
    "AsType": behaviours.cast,
    "Select": behaviours.select,
    "Compiled": behaviours.compiled,
    # Views
    **dict.fromkeys(("Copy", "StopGradient", "Depends"), views.same),
    "CustomTransforms": views.custom,
    **dict.fromkeys(("Reshape", "Flatten", "Unflatten"), views.reshape),
    **dict.fromkeys(("Broadcast", "BroadcastAxes"), views.broadcast),
    "Transpose": views.transpose,
    "ExpandDims": views.expand_dims,
    "Squeeze": views.squeeze,
    "Slice": views.slice_,
    "Split": views.split,
    "AsStrided": views.as_strided,
    "View": views.reinterpret,
    "Contiguous": behaviours.contiguous,
    "Load": behaviours.load,
    # Always new buffers
    **dict.fromkeys(
        (
            *("Arange", "RandomBits", "NumberOfElements", "Reduce", "ArgReduce", "ArgSort"),
            *("ArgPartition", "SearchSorted", "Gather", "GatherAxis", "DynamicSlice", "DivMod"),
            *("FFT", "Hadamard", "Inverse", "Cholesky", "Quantize", "ConvertFP8"),
        ),
        behaviours.fresh,
    ),
    "Concatenate": behaviours.concatenate,
    "Pad": behaviours.pad,
    # Matrix products
    **dict.fromkeys(("Matmul", "GatherMM"), behaviours.matmul),
    "AddMM": behaviours.matmul_add,
    "QuantizedMatmul": behaviours.quantized_matmul,
    "GatherQMM": behaviours.gathered_quantized_matmul,
    "SegmentedMM": behaviours.segmented_matmul,
    "Convolution": convolution,
    # Along an axis
    "Softmax": behaviours.along_last_axis,
    "LogSumExp": behaviours.log_sum_exp,
    "Scan": behaviours.scan,
    **dict.fromkeys(("Sort", "Partition"), behaviours.sort),
    # Writing into a copy, or in place
    "Full": behaviours.full,
    **dict.fromkeys(("Scatter", "ScatterAxis", "MaskedScatter"), behaviours.scatter),
    **dict.fromkeys(("SliceUpdate", "DynamicSliceUpdate"), behaviours.slice_update),
    # mx.fast, on GPU backends
    **dict.fromkeys(("RMSNorm", "LayerNorm"), behaviours.along_last_axis),
    **dict.fromkeys(("RMSNormVJP", "LayerNormVJP"), whole.norm_gradient),
    "RoPE": whole.rotate,
    "ScaledDotProductAttention": whole.attention,
    "ScaledDotProductAttentionVJP": whole.attention_gradient,
}

# A GPU's convolutions work on their input as it lies.
_OF_GPUS = _TABLE | {"Convolution": behaviours.fresh}


def table(backend: Backend) -> dict[str, Behaviour]:
    """The behaviours of the primitives on ``backend``."""
    return _TABLE if backend == "cpu" else _OF_GPUS
