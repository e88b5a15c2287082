"""A plan as the command of mlx-lm that trains the same."""

from __future__ import annotations

import json
import shlex
from typing import Any

from cockpit.core.plan import RunPlan

# Flags of mlx_lm.lora (0.32); what it reads from a configuration alone, and what is ours alone.
_FLAGS = (
    "model", "data", "fine_tune_type", "optimizer", "mask_prompt", "num_layers", "batch_size",
    "iters", "val_batches", "learning_rate", "steps_per_report", "steps_per_eval",
    "grad_accumulation_steps", "resume_adapter_file", "adapter_path", "save_every", "test",
    "test_batches", "max_seq_length", "grad_checkpoint", "clear_cache_threshold", "report_to",
    "project_name", "seed", "trust_remote_code",
)  # fmt: skip
_CONFIGURED = (
    "lora_parameters", "lr_schedule", "optimizer_config", "hf_dataset", "prompt_feature",
    "completion_feature", "chat_feature", "text_feature",
)  # fmt: skip
CONFIG_NAME = "lora_config.yaml"


def lora_command(plan: RunPlan, *, model: str | None = None) -> str:
    """``mlx_lm.lora --train ...``, with the configuration written first where flags do not do.

    Only what differs from mlx-lm's defaults is said. ``model`` stands in for a name of ours. What
    only the cockpit has, like its checkpoints, has no flag and is left out.
    """
    plain = RunPlan(model=plan.model, data="-")
    words = ["mlx_lm.lora", "--train"]
    for name in _FLAGS:
        value = getattr(plan, name)
        if name == "model":
            value = model or value
        elif value == getattr(plain, name):
            continue
        words += _flag(name, value)
    config = _config(plan, plain)
    if not config:
        return shlex.join(words)
    lines = [
        f"cat > {CONFIG_NAME} <<'EOF'",
        *config,
        "EOF",
        f"{shlex.join(words)} -c {CONFIG_NAME}",
    ]
    return "\n".join(lines)


def _flag(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    return [flag] if value is True else [flag, str(value)]


def _config(plan: RunPlan, plain: RunPlan) -> list[str]:
    """Lines of YAML, of which JSON is a part."""
    found = plan.model_dump(mode="json", include=set(_CONFIGURED), exclude_none=True)
    default = plain.model_dump(mode="json", include=set(_CONFIGURED), exclude_none=True)
    changed = (name for name in _CONFIGURED if found.get(name) != default.get(name))
    return [f"{name}: {json.dumps(found[name])}" for name in changed if name in found]
