"""What the form starts with: the demo for the embedded model, mlx-lm's defaults for others."""

from __future__ import annotations

from typing import Any

from cockpit.core.plan import RunPlan

EMBEDDED = "nano"


def base_plan(model: str, defaults: RunPlan | None = None) -> RunPlan:
    """The plan to start from for ``model``; ``defaults``, if given, whatever the model.

    For other models than the embedded one, data is left for the person to name: the form
    shows it as missing.
    """
    if defaults is not None:
        return defaults.model_copy(update={"model": model})
    if model != EMBEDDED:
        return RunPlan.model_construct(model=model)
    from cockpit.embedded import DEMO_PLAN, DEMO_PROMPTS, demo_data_path

    fields: dict[str, Any] = {"data": str(demo_data_path()), "sample_prompts": DEMO_PROMPTS}
    return RunPlan.model_validate({"model": EMBEDDED, **DEMO_PLAN, **fields})
