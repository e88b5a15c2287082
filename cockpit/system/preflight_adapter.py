"""The plan's adapter against the model: will it find its layers, and can they take it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from cockpit.core import parameters
from cockpit.core.model_spec import ModelSpec
from cockpit.core.plan import RunPlan
from cockpit.core.tensors import Tensor
from cockpit.core.trainable import matrices
from cockpit.errors import CockpitError

Issues = Iterator[CockpitError | str]

_EXPERT_LAYERS = ("switch_mlp", "experts")


def check(plan: RunPlan, spec: ModelSpec, tensors: Mapping[str, Tensor]) -> Issues:
    if plan.fine_tune_type == "full":
        yield from _check_full(plan, spec)
        return
    keys = plan.lora_parameters.keys
    if spec.model_type.startswith("gemma3n") and keys is None:
        yield CockpitError(
            "gemma3n needs its adapter layers named",
            f"{plan.model}: mlx-lm cannot put adapters on all layers of this architecture",
            "Set lora_parameters.keys: --keys self_attn.q_proj self_attn.v_proj",
        )
    if plan.fine_tune_type == "dora" and spec.is_mixture_of_experts and _reaches_experts(keys):
        yield CockpitError(
            "DoRA does not work on experts",
            f"{plan.model} has {spec.num_experts} experts in a block",
            "Use fine_tune_type = 'lora', or name layers without experts: "
            "--keys self_attn.q_proj self_attn.v_proj",
        )
    if keys is not None and tensors:
        yield from _check_keys(keys, spec, tensors)


def _reaches_experts(keys: tuple[str, ...] | None) -> bool:
    return keys is None or any(part in key for key in keys for part in _EXPERT_LAYERS)


def _check_full(plan: RunPlan, spec: ModelSpec) -> Issues:
    if spec.quantization is not None:
        yield CockpitError(
            "Quantized weights cannot be trained in full",
            f"{plan.model} is quantized to {spec.quantization.bits} bits; packed weights have no "
            "gradient",
            "Use fine_tune_type = 'lora' or 'dora', or a model that is not quantized.",
        )


def _check_keys(keys: tuple[str, ...], spec: ModelSpec, tensors: Mapping[str, Tensor]) -> Issues:
    if not keys:
        yield CockpitError(
            "Nothing would be trained",
            "lora_parameters.keys is an empty list",
            "Leave keys out to train every linear layer, or name some.",
        )
        return
    known = {matrix.key for matrix in matrices(spec, tensors)}
    unmatched = [key for key in keys if key not in known]
    if not unmatched:
        return
    near = difflib.get_close_matches(unmatched[0], known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    said = f"lora_parameters.keys: {', '.join(map(repr, unmatched))} match no layer"
    # Elsewhere mlx-lm renames layers while it loads them: the headers do not know better.
    certain = parameters.has_formula(spec.model_type) and not spec.is_mixture_of_experts
    if certain and len(unmatched) == len(keys):
        inside = sorted({m.key for m in matrices(spec, tensors) if m.block is not None})
        yield CockpitError(
            "Nothing would be trained",
            said,
            f"{hint}This model has: {', '.join(inside[:12])}",
        )
    else:
        yield said + (f": did you mean {near[0]!r}?" if near else "")
