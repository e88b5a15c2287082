"""Whether a run that ran out of memory goes on by itself: ``on_oom = auto``."""

from __future__ import annotations

from cockpit.core.ladder import cure_of
from cockpit.core.run_state import RunState
from cockpit.errors import CockpitError
from cockpit.system import asked, death
from cockpit.system.run_dir import RunDir


def goes_on_by_itself(run: RunDir, state: RunState) -> bool:
    """Whether a supervisor that saw ``state`` end looks for a way on.

    Not where a person asked to stop, not even after the guard did or the trainer was gone.
    """
    attempts = run.attempts()
    if state.active or state.refused is not None or not attempts:
        return False
    try:
        wanted = run.plan_of(attempts[-1]).on_oom == "auto"
    except (CockpitError, OSError):
        return False
    return (
        wanted
        and cure_of(death.diagnosis_of(run, state)) == "memory"
        and not asked.to_stop(run, attempts[-1])
    )
