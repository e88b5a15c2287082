"""What each preset would make of the plan of the form: worked out before one is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.plan_fields import write

if TYPE_CHECKING:
    from cockpit.system.pace import Pace
    from cockpit.system.presets import Preset


@dataclass(frozen=True, slots=True)
class Offer:
    """A preset and the draft as it would be; ``changes`` are field, text before and text after."""

    preset: Preset
    draft: PlanDraft
    changes: tuple[tuple[str, str, str], ...]
    note: str


def offers(draft: PlanDraft, model: str) -> list[Offer]:
    """One a preset, in the table's order. Reads the model's config and, for a pace, runs."""
    from cockpit.system import presets

    bits = presets.weight_bits(model)
    return [_offer(preset, draft, model, bits) for preset in presets.load()]


def _offer(preset: Preset, draft: PlanDraft, model: str, bits: int | None) -> Offer:
    from cockpit.system.presets import Size

    trial = draft.copy()
    for name, value in preset.fields(bits).items():
        trial.set(name, write(value))
    note = ""
    if trial.batches is not None:
        pace = _pace(trial, model) if preset.hours is not None else None
        each = pace.seconds_per_example if pace is not None else None
        length = preset.length(Size(*trial.batches, trial.train_examples, each))
        for name, value in length.changes.items():
            trial.set(name, write(value))
        if length.epochs is not None:
            trial.set("epochs", write(length.epochs))
        note = length.note
    return Offer(preset, trial, tuple(draft.differences(trial)), note)


def _pace(trial: PlanDraft, model: str) -> Pace | None:
    from cockpit.system import preflight
    from cockpit.system.pace import pace_of

    try:
        plan = trial.plan(model)
    except ValueError:
        return None
    return pace_of(preflight.examine(plan, room=False).plan)
