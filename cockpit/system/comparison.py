"""Runs side by side: in which plan fields they differ, what each came to, and their curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cockpit.core import format as fmt
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState
from cockpit.errors import CockpitError
from cockpit.system import observe
from cockpit.system.run_dir import RunDir

FEWEST, MOST = 2, 6
# These differ in any two runs and explain nothing.
_NO_DIFFERENCE = frozenset({"name", "adapter_path", "project_name", "report_to"})


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the runs. ``curve`` and ``validations`` are (update, loss)."""

    name: str
    status: str
    plan: dict[str, Any]
    results: dict[str, Any]
    curve: tuple[tuple[int, float], ...]
    validations: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``differing`` are the plan fields that are not alike in all runs."""

    runs: tuple[Compared, ...]
    differing: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """What ``cockpit compare --json`` prints."""
        return {
            "differing": list(self.differing),
            "runs": [
                {
                    "run": run.name,
                    "status": run.status,
                    "plan": {name: run.plan.get(name) for name in self.differing},
                    **run.results,
                    "losses": [list(point) for point in run.curve],
                    "validations": [list(point) for point in run.validations],
                }
                for run in self.runs
            ],
        }

    def rows(self) -> list[tuple[str, ...]]:
        """A line for each differing field and each result, with a cell for each run."""
        rows = [
            (name, *(_cell(run.plan.get(name)) for run in self.runs)) for name in self.differing
        ]
        rows += [
            (label, *(shown(run.results[key]) for run in self.runs))
            for key, (label, shown) in _RESULTS.items()
        ]
        return [("status", *(run.status for run in self.runs)), *rows]


_RESULTS: dict[str, tuple[str, Any]] = {
    "updates": ("updates", fmt.count),
    "final_train_loss": ("train loss", fmt.loss),
    "best_validation_loss": ("best validation", fmt.loss),
    "best_validation_update": ("  at update", fmt.count),
    "test_loss": ("test loss", fmt.loss),
    "trained_tokens": ("tokens trained", fmt.count),
    "seconds": ("time", fmt.duration),
    "measured_peak_bytes": ("peak memory", fmt.gigabytes),
    "predicted_peak_bytes": ("forecast", fmt.gigabytes),
}


def compare(runs: Sequence[RunDir]) -> Comparison:
    """Reads the runs whole; CockpitError for too few, too many, or the same one twice."""
    if not FEWEST <= len(runs) <= MOST:
        raise CockpitError(
            f"{len(runs)} run{'s' if len(runs) != 1 else ''} cannot be compared",
            f"it takes {FEWEST} to {MOST}",
            "List them with: cockpit runs",
        )
    if len({run.path for run in runs}) < len(runs):
        raise CockpitError(
            "The same run is named twice",
            ", ".join(run.name for run in runs),
            "Name each run once.",
        )
    found = tuple(_read(run) for run in runs)
    names = [name for name in RunPlan.model_fields if name not in _NO_DIFFERENCE]
    differing = tuple(
        name for name in names if any(r.plan.get(name) != found[0].plan.get(name) for r in found)
    )
    return Comparison(found, differing)


def _read(run: RunDir) -> Compared:
    state = observe.current_state(run)
    summary = observe.summary(run)
    best = state.best_validation
    try:
        plan = run.plan().model_dump(mode="json")
    except CockpitError:
        plan = {}
    return Compared(
        name=run.name,
        status=state.status,
        plan=plan,
        results={
            "updates": state.update,
            "final_train_loss": summary.final_train_loss,
            "best_validation_loss": best.loss if best else None,
            "best_validation_update": best.update if best else None,
            "test_loss": state.test.loss if state.test else None,
            "trained_tokens": state.last.trained_tokens if state.last else None,
            "seconds": _seconds(state),
            "measured_peak_bytes": summary.measured_peak_bytes,
            "predicted_peak_bytes": summary.predicted_peak_bytes,
        },
        curve=tuple(state.losses),
        validations=tuple((v.update, v.loss) for v in state.validations),
    )


def _seconds(state: RunState) -> float | None:
    end = state.ended_at or state.last_event_at
    return None if state.started_at is None or end is None else end - state.started_at


def _cell(value: Any) -> str:
    if value is None or value == "":
        return fmt.NOT_AVAILABLE
    if isinstance(value, dict):
        return " ".join(f"{key}={item}" for key, item in value.items() if item is not None)
    return str(value)
