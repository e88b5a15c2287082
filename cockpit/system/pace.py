"""How fast runs go: what a plan like theirs will take, by earlier runs and by timed warm-ups."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from cockpit.core import events as ev
from cockpit.core.format import duration
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import jsonl, run_dir, timings
from cockpit.system.run_dir import AttemptDir
from cockpit.system.timings import data_of, shape_of

# Runs looked at, the newest first, and how much of each.
_RUNS = 30
_TAIL_BYTES = 32 * 1024
# Fewer updates say more about a start than about a pace.
_ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that one example took in ``run``, or in ``warm_up_updates`` timed for their own sake.

    ``same_data`` tells whether it learned from the plan's data. Validations, checkpoints and the
    loading of the model are not in it.
    """

    run: str
    seconds_per_example: float
    same_data: bool
    warm_up_updates: int = 0

    def seconds(self, plan: RunPlan) -> float:
        """What the updates of ``plan`` will take."""
        return plan.updates * self.update_seconds(plan)

    def update_seconds(self, plan: RunPlan) -> float:
        """What one update of ``plan`` will take."""
        return plan.examples_per_update * self.seconds_per_example

    @property
    def source(self) -> str:
        """Where it is from, in words; a run's name is in it as it was given."""
        other = "" if self.same_data else ", on other data"
        if not self.warm_up_updates:
            return f"as {self.run} went{other}"
        plural = "s" * (self.warm_up_updates != 1)
        return f"measured by a warm-up of {self.warm_up_updates} update{plural}{other}"


def brief(seconds: float) -> str:
    """``350 ms``, ``1.25 s`` or ``2m05s``: how long an update takes."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else duration(seconds)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A run or a warm-up of the right shape; ``seconds`` reads what an example took in it."""

    run: str
    warm_up_updates: int
    same_data: bool
    same_batch: bool
    t: float
    seconds: Callable[[], float | None]


def pace_of(plan: RunPlan) -> Pace | None:
    """The pace of what is most like ``plan``: by its data, its batch, then the newest; else None.

    Other batches say something too: they show as many examples in about the same time.
    """
    found = [*_warm_ups(plan), *_runs(plan)]
    found.sort(key=lambda each: (each.same_data, each.same_batch, each.t), reverse=True)
    for each in found:
        if (seconds := each.seconds()) is not None:
            return Pace(each.run, seconds, each.same_data, each.warm_up_updates)
    return None


def _warm_ups(plan: RunPlan) -> Iterator[_Candidate]:
    shape, data = shape_of(plan), data_of(plan)
    for each in timings.records():
        if each.shape == shape:
            batch = each.batch_size == plan.batch_size
            seconds = partial(_known, each.seconds_per_example)
            yield _Candidate("", each.updates, each.data == data, batch, each.t, seconds)


def _known(seconds: float) -> float | None:
    return seconds


def _runs(plan: RunPlan) -> Iterator[_Candidate]:
    shape, data = shape_of(plan), data_of(plan)
    for run in run_dir.all_runs()[:_RUNS]:
        for attempt in run.attempts():
            try:
                other = attempt.plan()
                t = attempt.trainer_events.stat().st_mtime
            except (CockpitError, OSError):
                continue
            if shape_of(other) == shape:
                same = data_of(other) == data, other.batch_size == plan.batch_size
                seconds = partial(_seconds_per_example, attempt, other)
                yield _Candidate(run.name, 0, *same, t, seconds)


def _seconds_per_example(attempt: AttemptDir, plan: RunPlan) -> float | None:
    """By the median of the last updates."""
    try:
        _, lines = jsonl.ends(attempt.trainer_events, 0, _TAIL_BYTES)
    except OSError:
        return None
    events = (ev.parse_event(line) for line in lines)
    seconds = [event.seconds for event in events if isinstance(event, ev.Updated)]
    if len(seconds) < _ENOUGH:
        return None
    return statistics.median(seconds) / plan.examples_per_update
