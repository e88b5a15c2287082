"""``resume_adapter_file``: weights to start from, ours or plain mlx-lm's, under the same shape.

What a plan leaves open is taken from the adapter_config.json beside the weights; what it says
otherwise is refused by name, where mlx-lm would load what fits and be silent about the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cockpit.core.plan import LoraParameters, RunPlan
from cockpit.errors import CockpitError
from cockpit.system import safetensors

Issues = Iterator[CockpitError | str]

WEIGHTS_NAME = "adapters.safetensors"
CONFIG_NAME = "adapter_config.json"
_SHAPE = ("fine_tune_type", "num_layers")
_LORA_SHAPE = ("rank", "scale", "keys")


def adopt(plan: RunPlan) -> RunPlan:
    """``plan`` with the adapter's own shape wherever it does not ask for one."""
    own = _configuration(plan)
    fields = {n: own[n] for n in _SHAPE if n in own and n not in plan.model_fields_set}
    asked = plan.lora_parameters.model_fields_set
    lora = {n: v for n, v in _lora(own).items() if n not in asked}
    if lora:
        kept = plan.lora_parameters.model_dump(exclude_unset=True)
        fields["lora_parameters"] = kept | lora
    try:
        return plan.with_changes(**fields) if fields else plan
    except ValueError:
        return plan  # damaged or from elsewhere: the weights' own shapes decide


def check(plan: RunPlan, depth: int | None) -> Issues:
    """Whether the weights are there and whole, and what of the plan does not fit them.

    ``depth`` is the number of the model's blocks, if it is known.
    """
    if not plan.resume_adapter_file:
        return
    path = _weights(plan.resume_adapter_file)
    try:
        found = safetensors.read_header(path).tensors
    except (OSError, safetensors.DamagedError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        yield CockpitError(
            "The adapter to start from cannot be read",
            f"resume_adapter_file {path}: {reason}",
            "Name a run's adapters/adapters.safetensors, or leave resume_adapter_file out.",
        )
        return
    own = _configuration(plan)
    differing = list(_differing(plan, own, depth))
    if differing:
        yield CockpitError(
            "The adapter to start from has another shape",
            "\n".join([f"resume_adapter_file {path}, by its {CONFIG_NAME}:", *differing]),
            "Leave these fields out to take the adapter's, or leave resume_adapter_file out.",
        )
        return
    ranks = {t.shape[-1] for n, t in found.items() if n.endswith("lora_a") and len(t.shape) == 2}
    rank = plan.lora_parameters.rank
    if ranks and rank not in ranks and plan.fine_tune_type != "full":
        there = ", ".join(str(r) for r in sorted(ranks))
        yield CockpitError(
            "The adapter to start from has another rank",
            f"resume_adapter_file {path}: rank {there}, the plan's is {rank}",
            f"Set lora_parameters.rank to {there}, or leave resume_adapter_file out.",
        )


def _differing(plan: RunPlan, own: dict[str, Any], depth: int | None) -> Iterator[str]:
    for name in _SHAPE:
        there, here = own.get(name), getattr(plan, name)
        if name == "num_layers":
            there, here = _blocks(there, depth), _blocks(here, depth)
        if there is not None and there != here:
            yield f"{name} is {there} there and {here} in the plan"
    if plan.fine_tune_type == "full":
        return
    asked = plan.lora_parameters.model_dump(mode="json")
    for name, there in _lora(own).items():
        if there != asked[name]:
            yield f"lora_parameters.{name} is {there} there and {asked[name]} in the plan"


def _blocks(number: Any, depth: int | None) -> Any:
    return depth if number in (-1, 0) and depth is not None else number


def _lora(own: dict[str, Any]) -> dict[str, Any]:
    """The adapter's own rank, scale and keys; as mlx-lm has it, no keys are all of them."""
    parameters = own.get("lora_parameters")
    if not isinstance(parameters, dict):
        return {}
    known = LoraParameters().model_dump(mode="json") | parameters
    return {name: known[name] for name in _LORA_SHAPE}


def _configuration(plan: RunPlan) -> dict[str, Any]:
    """adapter_config.json beside the weights; empty without a readable one."""
    if not plan.resume_adapter_file:
        return {}
    try:
        path = _weights(plan.resume_adapter_file).with_name(CONFIG_NAME)
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _weights(named: str) -> Path:
    path = Path(named)
    return path / WEIGHTS_NAME if path.is_dir() else path
