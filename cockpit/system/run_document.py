"""Everything known about one run as one JSON document: for ``cockpit show`` and exports."""

from __future__ import annotations

from typing import Any

from cockpit.core.run_state import RunState
from cockpit.errors import CockpitError
from cockpit.system import checkpoints, observe, tags
from cockpit.system.run_dir import RunDir


def document(run: RunDir, state: RunState | None = None) -> dict[str, Any]:
    """The run's summary and its details. ``plan`` is null if it cannot be read."""
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
        "plan": _plan(run),
    }


def _plan(run: RunDir) -> dict[str, Any] | None:
    try:
        return run.plan().model_dump(mode="json", exclude_none=True)
    except CockpitError:
        return None
