"""The forecast before a launch, and what is said when it does not fit."""

from __future__ import annotations

from typing import Any

from cockpit.cli.output import say
from cockpit.core.format import gigabytes
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.memory.analytic import analytic_forecast
from cockpit.system import hardware, preflight


def before_launch(plan: RunPlan, *, anyway: bool) -> dict[str, Any] | None:
    """The forecast document for this machine; None if the model's shape is not known yet.

    Raises CockpitError when the plan is not expected to fit, unless ``anyway``.
    """
    found = preflight.examine(plan)
    if found.spec is None:
        return None
    longest = found.data.train.rough_longest_tokens if found.data and found.data.train else None
    profile = hardware.detect()
    forecast = analytic_forecast(plan, found.spec, longest, profile.backend)
    if forecast is None:
        return None
    document = forecast.document(profile.budget_bytes)
    say(
        f"memory: about {gigabytes(forecast.peak_bytes)} "
        f"({gigabytes(forecast.low_bytes)} to {gigabytes(forecast.high_bytes)}, rough estimate) "
        f"of {gigabytes(profile.budget_bytes)}"
    )
    if forecast.low_bytes > profile.budget_bytes and not anyway:
        raise CockpitError(
            "The plan is not expected to fit this machine",
            f"at least {gigabytes(forecast.low_bytes)} of {gigabytes(profile.budget_bytes)}",
            "Lower --batch-size (and raise --grad-accumulation-steps), --max-seq-length or "
            "--num-layers, or add --grad-checkpoint. --anyway launches it as it is.",
        )
    return document
