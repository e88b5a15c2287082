"""What a plan would train of a model, from the shapes in its safetensors headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cockpit.core.model_spec import ModelSpec
from cockpit.core.plan import RunPlan
from cockpit.core.tensors import Tensor, block_of, language_model

# Arrays of a parameter's size that the optimizers of mlx.optimizers keep for each, at most.
OPTIMIZER_STATES = {"adam": 2, "adamw": 2, "muon": 1, "sgd": 1, "adafactor": 1}
_ADAPTER_BYTES = 4  # mlx-lm's adapters are float32, whatever the model is


@dataclass(frozen=True, slots=True)
class Matrix:
    """A linear layer's weight. ``key`` is its path inside a block, or in the model outside one.

    ``experts`` is 1 but for layers that hold all experts' weights in one tensor.
    """

    key: str
    block: int | None
    inputs: int
    outputs: int
    experts: int
    quantized: bool

    def adapter_parameters(self, rank: int, *, dora: bool) -> int:
        magnitude = self.outputs if dora else 0
        return self.experts * (rank * (self.inputs + self.outputs) + magnitude)


def matrices(spec: ModelSpec, tensors: Mapping[str, Tensor]) -> Iterator[Matrix]:
    """Every weight that could take an adapter."""
    kept = language_model(tensors, spec.num_hidden_layers)
    for name, tensor in kept.items():
        path, _, leaf = name.rpartition(".")
        if leaf != "weight" or len(tensor.shape) not in (2, 3) or "conv" in path:
            continue
        scales, inputs = kept.get(f"{path}.scales"), tensor.shape[-1]
        if scales is not None and spec.quantization:
            packing = spec.quantization.of(path) or spec.quantization
            inputs = scales.shape[-1] * packing.group_size
        place = block_of(path)
        yield Matrix(
            place[1] if place else path,
            place[0] if place else None,
            inputs,
            tensor.shape[-2],
            tensor.shape[0] if len(tensor.shape) == 3 else 1,
            scales is not None,
        )


def trained_blocks(plan: RunPlan, spec: ModelSpec) -> range | None:
    """Indices of the blocks that the plan trains; None if the model's depth is unknown."""
    depth = spec.num_hidden_layers
    return None if depth is None else last_blocks(plan.num_layers, depth)


def last_blocks(num_layers: int, depth: int) -> range:
    """Indices of the blocks that mlx-lm means by ``num_layers``: from the last; below 1, all."""
    return range(0 if num_layers < 1 else max(0, depth - num_layers), depth)


def dropped_blocks(adapted_layers: int, num_layers: int, depth: int) -> range:
    """The blocks that ``adapted_layers`` covers and that ``num_layers`` no longer trains."""
    return range(last_blocks(adapted_layers, depth).start, last_blocks(num_layers, depth).start)


def trainable_parameters(
    plan: RunPlan, spec: ModelSpec, tensors: Mapping[str, Tensor]
) -> int | None:
    """How many parameters the plan trains; None if the headers do not tell.

    Full fine-tuning of packed weights has no answer: they have no gradient.
    """
    blocks = trained_blocks(plan, spec)
    full = plan.fine_tune_type == "full"
    if blocks is None or not tensors or (full and spec.quantization):
        return None
    if full:
        return _parameters_in(blocks, spec, tensors)
    lora, dora = plan.lora_parameters, plan.fine_tune_type == "dora"
    return sum(
        matrix.adapter_parameters(lora.rank, dora=dora)
        for matrix in matrices(spec, tensors)
        if (matrix.block in blocks if matrix.block is not None else lora.keys is not None)
        and (lora.keys is None or matrix.key in lora.keys)
    )


def _parameters_in(blocks: range, spec: ModelSpec, tensors: Mapping[str, Tensor]) -> int:
    kept = language_model(tensors, spec.num_hidden_layers)
    places = ((block_of(name), tensor) for name, tensor in kept.items())
    return sum(tensor.size for place, tensor in places if place and place[0] in blocks)


def checkpoint_bytes(plan: RunPlan, trainable: int) -> int:
    """Size of one checkpoint on disk: the trained weights and what the optimizer remembers."""
    return trainable * _ADAPTER_BYTES * (1 + OPTIMIZER_STATES[plan.optimizer])
