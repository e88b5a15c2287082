"""Everything known about one run as one JSON document: for ``cockpit show`` and exports."""

from __future__ import annotations

from typing import Any

from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState
from cockpit.errors import CockpitError
from cockpit.system import checkpoints, observe, tags
from cockpit.system.run_dir import RunDir


def document(run: RunDir, state: RunState | None = None) -> dict[str, Any]:
    """The run's summary and its details; ``plan`` as asked, null if it cannot be read.

    ``newest_plan`` is what the newest attempt trains with, which ``iterations`` counts in.
    """
    state = state or observe.current_state(run)
    best = state.best_validation
    return observe.summary(run).document() | {
        "folder": str(run.path),
        "tags": list(tags.read(run)),
        "attempts": len(run.attempts()),
        "updates": state.update,
        "updates_planned": state.updates,
        "best_validation": None if best is None else {"update": best.update, "loss": best.loss},
        "checkpoints": checkpoints.updates(run),
        "test_loss": None if state.test is None else state.test.loss,
        "samples": [
            {"update": s.update, "prompt": s.prompt, "text": s.text} for s in state.samples
        ],
        "plan": _document(asked_plan(run)),
        "newest_plan": _document(newest_plan(run)),
        "recoveries": [
            {"attempt": told.attempt, **told.recovery.model_dump(mode="json")}
            for told in state.recoveries
        ],
    }


def asked_plan(run: RunDir) -> RunPlan | None:
    """What was asked for; None if it cannot be read."""
    try:
        return run.plan()
    except CockpitError:
        return None


def newest_plan(run: RunDir) -> RunPlan | None:
    """What the newest attempt trains with; None if it cannot be read."""
    attempts = run.attempts()
    try:
        return run.plan_of(attempts[-1]) if attempts else run.plan()
    except CockpitError:
        return None


def _document(plan: RunPlan | None) -> dict[str, Any] | None:
    return None if plan is None else plan.model_dump(mode="json", exclude_none=True)
