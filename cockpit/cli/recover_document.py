"""What ended a run and the ways on, as the document of ``cockpit recover --json``."""

from __future__ import annotations

from typing import Any

from cockpit.core.ladder import Ladder, Rung
from cockpit.memory.situation import Situation


def of(
    situation: Situation, ladder: Ladder | None, chosen: Rung | None, *, own: bool
) -> dict[str, Any]:
    """``chosen`` is what ``--yes`` would take, null for the plan as it was.

    ``rungs`` is empty, and ``budget_bytes`` null, where less memory does not help. ``own`` are
    fields that were given, and no rung of the ladder.
    """
    return {
        "run": situation.run.name,
        "attempt": situation.attempt,
        "status": situation.status,
        "diagnosis": situation.diagnosis.model_dump(mode="json"),
        "cure": situation.cure,
        "checkpoint": None if situation.checkpoint is None else str(situation.checkpoint),
        "from_scratch_because": situation.scratch_reason or None,
        "passed_over": list(situation.resume.passed_over if situation.resume else ()),
        "from_update": situation.from_update,
        "updates_made_again": situation.lost_updates,
        "updates_planned": situation.plan.updates,
        "budget_bytes": ladder.budget_bytes if ladder is not None else None,
        "budget_reason": ladder.budget_reason if ladder is not None else None,
        "rungs": [_rung(rung) for rung in ladder.rungs] if ladder is not None else [],
        "own": _rung(chosen) if own and chosen is not None else None,
        "chosen": None if own or chosen is None else chosen.kind,
    }


def _rung(rung: Rung) -> dict[str, Any]:
    forecast = rung.forecast
    return {
        "kind": rung.kind,
        "title": rung.title,
        "changes": rung.changes,
        "lossless": rung.lossless,
        "consequences": list(rung.consequences),
        "needed_bytes": forecast.needed_bytes if forecast is not None else None,
        "peak_bytes": forecast.peak_bytes if forecast is not None else None,
        "fits": rung.fits,
        "offered": rung.offered,
        "below_floor": rung.below_floor,
        "why_not": rung.why_not or None,
    }
