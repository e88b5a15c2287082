"""A preset under the flags of a command: its fields first, then the length that they lead to."""

from __future__ import annotations

import argparse
from typing import Any

from cockpit.cli.output import say
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import plan_file, preflight, preflight_data, presets
from cockpit.system.pace import pace_of
from cockpit.system.presets import Preset


def named(arguments: argparse.Namespace) -> Preset | None:
    """The preset that ``--preset`` names; None without the flag, or where there is none."""
    name = getattr(arguments, "preset", None)
    return presets.find(name) if name else None


def put_under(preset: Preset, fields: dict[str, Any], overrides: dict[str, Any]) -> None:
    """Puts the preset's fields over those of a plan file; ``overrides`` will go over both."""
    model = str(overrides.get("model") or fields.get("model") or "")
    plan_file.merge(fields, presets.nested(preset.fields(presets.weight_bits(model))))
    if "iters" not in overrides:
        # Until the length is known: fewer than one accumulation are no plan.
        accumulation = _whole({**fields, **overrides}, "grad_accumulation_steps")
        fields["iters"] = max(_whole(fields, "iters"), accumulation)


def _whole(fields: dict[str, Any], name: str) -> int:
    """A field as a number, as typed or by default; 0 for what validation will refuse."""
    value = fields.get(name, RunPlan.model_fields[name].default)
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def with_length(preset: Preset, plan: RunPlan, overrides: dict[str, Any]) -> RunPlan:
    """``plan`` as long as the preset says, by this data and the pace known here; says how."""
    if "iters" in overrides:
        return plan
    pace = pace_of(preflight.examine(plan).plan) if preset.hours else None
    length = preset.length(presets.size_of(plan, _examples(plan), pace))
    if length.note:
        say(f"{preset.name}: {length.note}")
    return plan.with_changes(
        **{name: value for name, value in length.changes.items() if name not in overrides}
    )


def _examples(plan: RunPlan) -> int | None:
    """None where they cannot be counted; what is wrong with the data is said by preflight."""
    try:
        data = preflight_data.summary(plan)
    except CockpitError:
        return None
    return data.train_examples or None if data is not None else None
