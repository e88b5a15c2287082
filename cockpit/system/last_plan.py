"""The plan that an attempt ran with, even where its own plan.toml cannot be read any more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import checkpoints, plan_file
from cockpit.system.run_dir import AttemptDir, RunDir


@dataclass(frozen=True, slots=True)
class KnownPlan:
    """``doubt`` is empty, or says what could not be read and what stands in for it."""

    plan: RunPlan
    doubt: str = ""


def of(run: RunDir, attempt: AttemptDir) -> KnownPlan:
    """The attempt's own plan; else that in its checkpoints, else that of the attempt before.

    Raises CockpitError, about the attempt's own, if nothing of all that can be read.
    """
    try:
        return KnownPlan(run.plan_of(attempt))
    except CockpitError as error:
        for source, plan in _others(run, attempt):
            file = attempt.plan_path.relative_to(run.path)
            return KnownPlan(plan, f"{file} cannot be read: the plan of {source} holds")
        raise error


def _others(run: RunDir, attempt: AttemptDir) -> Iterator[tuple[str, RunPlan]]:
    """What may stand in for the plan of ``attempt``, the nearest to it first."""
    yield from _in_checkpoints(run, attempt)
    for earlier in reversed(run.attempts()):
        if earlier.number < attempt.number:
            with contextlib.suppress(CockpitError):
                yield f"attempt {earlier.number}", run.plan_of(earlier)
            yield from _in_checkpoints(run, earlier)


def _in_checkpoints(run: RunDir, attempt: AttemptDir) -> Iterator[tuple[str, RunPlan]]:
    for folder in reversed(checkpoints.complete(run)):
        with contextlib.suppress(checkpoints.DamagedError, CockpitError):
            state = checkpoints.read_state(folder)
            if state.attempt == attempt.number:
                yield f"checkpoint {folder.name}", plan_file.validate(state.plan, str(folder))
