"""The model as it will train: loaded, in the right precision, with its adapters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm import utils as mlx_lm_utils
from mlx_lm.tuner.utils import linear_to_lora_layers

from cockpit.core.plan import RunPlan
from cockpit.core.trainable import dropped_blocks
from cockpit.errors import CockpitError
from cockpit.system import models
from cockpit.system.typed_path import expanded
from cockpit.trainer.failures import Failure, brief


@dataclass(frozen=True, slots=True)
class Loaded:
    model: nn.Module
    tokenizer: Any
    parameters: int
    dtype: str
    config: dict[str, Any]


def trains_on_cpu() -> bool:
    return bool(mx.default_device() == mx.cpu)


def casts_to_float32() -> bool:
    """Linux CPU: half precision products stay at reference speed whatever BLAS is loaded."""
    return sys.platform == "linux" and trains_on_cpu()


def model_folder(plan: RunPlan, progress: Callable[[str], None]) -> Path:
    """Where the model is, downloaded first if it is a hub name."""
    try:
        found = models.resolve(plan.model).path
    except CockpitError as error:
        raise Failure("model", error.title, error.message, error.remedy) from error
    if found is not None:
        return found
    progress(f"downloading {plan.model}")
    try:
        return Path(mlx_lm_utils._download(plan.model))
    except Exception as error:
        raise Failure(
            "model",
            "The model could not be downloaded",
            f"{plan.model}: {brief(error)}",
            "Check the name and the connection, or give a folder.",
        ) from error


def load(folder: Path, plan: RunPlan, *, as_stored: bool = False) -> Loaded:
    """Model and tokenizer; on a Linux CPU every floating weight becomes float32 unless as_stored.

    The packed weights of a quantized model stay packed. Its scales and biases are cast as well:
    they decide the precision of its outputs, and would otherwise be cast in every product.
    """
    try:
        model, config = mlx_lm_utils.load_model(
            folder, lazy=True, trust_remote_code=plan.trust_remote_code
        )
        if casts_to_float32() and not as_stored:
            model.set_dtype(mx.float32)
        mx.eval(model.parameters())
        tokenizer = mlx_lm_utils.load_tokenizer(
            folder,
            {"trust_remote_code": plan.trust_remote_code},
            eos_token_ids=config.get("eos_token_id"),
        )
        parameters = mlx_lm_utils.get_total_parameters(model)
    except Exception as error:
        if _lacks_memory(error):
            raise
        raise broken(folder, error) from error
    return Loaded(model, tokenizer, parameters, _dtype(model), config)


@dataclass(frozen=True, slots=True)
class Kept:
    """Which of a model's weights a checkpoint holds: all that the run has ever trained.

    ``layers`` counts their blocks as num_layers does. Among them are those of blocks that a
    recovery dropped: frozen, with what they had learned.
    """

    layers: int
    names: frozenset[str]

    def weights(self, model: nn.Module) -> dict[str, mx.array]:
        return {name: v for name, v in tree_flatten(model.parameters()) if name in self.names}


def prepare(model: nn.Module, plan: RunPlan, adapted_layers: int | None = None) -> Kept:
    """Freezes the model and makes trainable what the plan trains, as ``mlx_lm.lora`` does.

    ``adapted_layers``, where a checkpoint holds more blocks than the plan trains: all of them
    are made ready for its weights, and those that the plan leaves out are frozen.
    """
    layers = len(model.layers)
    if plan.num_layers > layers:
        raise Failure(
            "plan",
            "The model has fewer layers than that",
            f"num_layers is {plan.num_layers}, {plan.model} has {layers}",
            f"Set num_layers to {layers} or less; -1 is all.",
        )
    adapted = plan.num_layers if adapted_layers is None else adapted_layers
    mx.random.seed(plan.seed)
    # mlx-lm loads for inference, and a block in that mode checkpoints no gradients.
    model.train()
    model.freeze()
    if plan.fine_tune_type == "full":
        for layer in model.layers[-max(adapted, 0) :]:
            layer.unfreeze()
    else:
        _add_adapters(model, plan, adapted)
    names = frozenset(name for name, _ in tree_flatten(model.trainable_parameters()))
    for block in dropped_blocks(adapted, plan.num_layers, layers):
        model.layers[block].freeze()
    if not tree_flatten(model.trainable_parameters()):
        raise Failure("plan", "Nothing would be trained", *_nothing_matched(model, plan))
    mx.eval(model.parameters())
    return Kept(adapted, names)


def start_from_adapter(model: nn.Module, plan: RunPlan, kept: Kept) -> int:
    """Loads ``resume_adapter_file``, if there is one; returns how many trained arrays it lacks."""
    if not plan.resume_adapter_file:
        return 0
    return load_weights(model, expanded(plan.resume_adapter_file), kept.names)


def load_weights(model: nn.Module, path: Path, names: frozenset[str]) -> int:
    """Loads trained weights into ``model``; returns how many of ``names`` the file lacks.

    Raises Failure when an array of the file is not of ``names`` or has another shape.
    """
    if path.is_dir():
        path = path / "adapters.safetensors"
    weights = load_arrays(path)
    wanted = {name: v for name, v in tree_flatten(model.parameters()) if name in names}
    if problem := _first_mismatch(weights, wanted):
        raise Failure(
            "adapter",
            "The adapter does not fit this plan",
            f"{path}: {problem}",
            "Use the rank, keys, num_layers and fine_tune_type it was trained with, or leave "
            "resume_adapter_file out.",
        )
    model.load_weights(
        [(name, value.astype(wanted[name].dtype)) for name, value in weights.items()], strict=False
    )
    mx.eval(model.parameters())
    return len(wanted) - len(weights)


def load_arrays(path: Path) -> dict[str, mx.array]:
    try:
        arrays = mx.load(str(path))
        mx.eval(arrays)
    except (RuntimeError, ValueError, OSError) as error:
        raise Failure(
            "adapter", "The weights cannot be read", f"{path}: {brief(error)}", "Check the file."
        ) from error
    assert isinstance(arrays, dict)
    return arrays


def _first_mismatch(weights: dict[str, mx.array], wanted: dict[str, mx.array]) -> str | None:
    if not weights:
        return "it holds no weights"
    unknown = sorted(set(weights) - set(wanted))
    if unknown:
        return (
            f"{len(unknown)} of its {len(weights)} arrays are not trained here, {unknown[0]} first"
        )
    for name, value in sorted(weights.items()):
        if value.shape != wanted[name].shape:
            return f"{name} is {tuple(value.shape)} there and {tuple(wanted[name].shape)} here"
    return None


def _add_adapters(model: nn.Module, plan: RunPlan, num_layers: int) -> None:
    try:
        linear_to_lora_layers(
            model,
            num_layers,
            plan.lora_parameters.model_dump(),
            use_dora=plan.fine_tune_type == "dora",
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise Failure(
            "plan",
            f"This model cannot take {plan.fine_tune_type} adapters there",
            f"{plan.model}: {brief(error)}",
            "Name the layers with lora_parameters.keys, or use fine_tune_type = 'lora'.",
        ) from error


def _nothing_matched(model: nn.Module, plan: RunPlan) -> tuple[str, str]:
    if plan.fine_tune_type == "full":
        return (
            f"every weight of the last {plan.num_layers} layers is quantized",
            "Use lora, or a model that is not quantized.",
        )
    linear = [k for k, m in model.layers[-1].named_modules() if hasattr(m, "weight")]
    return (
        f"lora_parameters.keys {list(plan.lora_parameters.keys or ())} match no layer",
        f"This model has: {', '.join(sorted(linear)[:12])}",
    )


def _dtype(model: nn.Module) -> str:
    """The precision the model computes in: that of most of its floating weights."""
    sizes: dict[str, int] = {}
    for _, value in tree_flatten(model.parameters()):
        if mx.issubdtype(value.dtype, mx.floating):
            name = str(value.dtype).removeprefix("mlx.core.")
            sizes[name] = sizes.get(name, 0) + value.size
    return max(sizes, key=lambda name: sizes[name], default="unknown")


def _lacks_memory(error: Exception) -> bool:
    """Whether loading failed for lack of memory, which is not the model's fault."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or "malloc" in said or "insufficient memory" in said


def broken(folder: Path, error: Exception) -> Failure:
    """Why mlx-lm cannot load the model in ``folder``."""
    remedy = "Download it again, or check that config.json and the weights belong together."
    if "trust_remote_code" in str(error):
        remedy = "Set trust_remote_code = true if you trust this model's own code."
    return Failure("model", "The model cannot be loaded", f"{folder}: {brief(error)}", remedy)
