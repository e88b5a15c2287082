"""The model and optimizer of a plan as the trainer makes them, with nothing evaluated."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten
from mlx_lm import utils as mlx_lm_utils
from mlx_lm.tuner.utils import linear_to_lora_layers

from cockpit.core.model_spec import from_config
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import Backend
from cockpit.core.quantization import Quantization, parse_quantization
from cockpit.core.trainable import dropped_blocks
from cockpit.trainer import optimizer as trainer_optimizer
from cockpit.trainer.failures import Failure
from cockpit.trainer.loading import broken

_DTYPES = {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}


def from_folder(folder: Path, plan: RunPlan) -> nn.Module:
    """The model in ``folder`` as mlx-lm loads it; of its weights only the headers are read."""
    if not any(folder.glob("model*.safetensors")):
        return from_config_alone(mlx_lm_utils.load_config(folder))
    try:
        model, _ = mlx_lm_utils.load_model(
            folder, lazy=True, trust_remote_code=plan.trust_remote_code
        )
    except ValueError as error:  # the weights are not those that config.json calls for
        raise broken(folder, error) from error
    return model


def from_config_alone(config: dict[str, Any]) -> nn.Module:
    """A model of this config.json's shape, packing and precision."""
    model_class, arguments_class = mlx_lm_utils._get_classes(config)
    model = model_class(arguments_class.from_dict(config))
    spec = from_config(config)
    model.set_dtype(_DTYPES.get(spec.dtype or "bfloat16", mx.bfloat16))
    text = config.get("text_config") or {}
    if quantization := parse_quantization(config, text):
        _quantize(model, quantization)
    return model


def _quantize(model: nn.Module, quantization: Quantization) -> None:
    predicate = getattr(model, "quant_predicate", None)

    def setting(path: str, module: nn.Module) -> bool | dict[str, Any]:
        if not hasattr(module, "to_quantized"):
            return False
        own = quantization.of(path)
        if own is None or module.weight.shape[-1] % own.group_size:
            return False
        if path not in quantization.overrides and predicate is not None:
            wanted = predicate(path, module)
            if not wanted:
                return False
            if isinstance(wanted, dict):
                return wanted
        return {"bits": own.bits, "group_size": own.group_size, "mode": own.mode}

    nn.quantize(
        model,
        quantization.group_size,
        quantization.bits,
        mode=quantization.mode,
        class_predicate=setting,
    )


def make_trainable(
    model: nn.Module, plan: RunPlan, backend: Backend, adapted_layers: int | None = None
) -> None:
    """Freezes, adapts and casts ``model`` as the trainer does for ``plan``.

    ``adapted_layers``: how many blocks of a run that goes on have trained weights, where that
    is more than the plan trains. Those it leaves out are frozen, and their adapters stay.
    """
    adapted = plan.num_layers if adapted_layers is None else adapted_layers
    if backend == "cpu" and sys.platform == "linux":
        model.set_dtype(mx.float32)
    model.freeze()
    if plan.fine_tune_type == "full":
        for layer in model.layers[-max(adapted, 0) :]:
            layer.unfreeze()
    else:
        linear_to_lora_layers(
            model,
            adapted,
            plan.lora_parameters.model_dump(),
            use_dora=plan.fine_tune_type == "dora",
        )
    for block in dropped_blocks(adapted, plan.num_layers, len(model.layers)):
        model.layers[block].freeze()
    if not tree_flatten(model.trainable_parameters()):
        raise Failure("plan", "Nothing would be trained", "no layer matches the plan")
    model.train()


@contextmanager
def checkpointed_blocks(
    model: nn.Module, patch: Callable[[list[nn.Module]], None]
) -> Iterator[None]:
    """``patch`` applied to the model's blocks, and their classes as they were afterwards."""
    kinds = {type(block) for block in model.layers}
    before = {kind: kind.__dict__.get("__call__") for kind in kinds}
    try:
        patch(model.layers)
        yield
    finally:
        for kind, call in before.items():
            if call is not None:
                kind.__call__ = call
            elif "__call__" in kind.__dict__:
                del kind.__call__


def optimizer(plan: RunPlan) -> optim.Optimizer:
    return trainer_optimizer.build(plan)
