"""How fast earlier runs went: what a plan like theirs will take."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import jsonl, run_dir
from cockpit.system.run_dir import AttemptDir, RunDir

# Runs looked at, the newest first, and how much of each.
_RUNS = 30
_TAIL_BYTES = 32 * 1024
# Fewer updates say more about a start than about a pace.
_ENOUGH = 3
# What runs must share for the time of an example to be the same.
_SHAPE = (
    "model", "fine_tune_type", "num_layers", "max_seq_length", "grad_checkpoint", "loss_chunks",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that one example took in ``run``. ``same_data`` tells whether it learned from that.

    Validations, checkpoints and the loading of the model are not in it.
    """

    run: str
    seconds_per_example: float
    same_data: bool

    def seconds(self, plan: RunPlan) -> float:
        """What the updates of ``plan`` will take."""
        return plan.updates * plan.examples_per_update * self.seconds_per_example


def pace_of(plan: RunPlan) -> Pace | None:
    """The pace of the newest run like ``plan``, one on the same data before any; else None."""
    found: Pace | None = None
    for run in run_dir.all_runs()[:_RUNS]:
        pace = _pace(run, plan)
        if pace is not None and pace.same_data:
            return pace
        found = found or pace
    return found


def _pace(run: RunDir, plan: RunPlan) -> Pace | None:
    for attempt in reversed(run.attempts()):
        try:
            other = attempt.plan()
        except (CockpitError, OSError):
            continue
        if any(getattr(other, name) != getattr(plan, name) for name in _SHAPE):
            continue
        seconds = _update_seconds(attempt)
        if seconds is not None:
            each = seconds / other.examples_per_update
            return Pace(run.name, each, other.data == plan.data)
    return None


def _update_seconds(attempt: AttemptDir) -> float | None:
    """The median of the last updates."""
    try:
        _, lines = jsonl.ends(attempt.trainer_events, 0, _TAIL_BYTES)
    except OSError:
        return None
    events = (ev.parse_event(line) for line in lines)
    seconds = [event.seconds for event in events if isinstance(event, ev.Updated)]
    return statistics.median(seconds) if len(seconds) >= _ENOUGH else None
