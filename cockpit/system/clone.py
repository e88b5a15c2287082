"""The plan of a run for another run like it."""

from __future__ import annotations

import contextlib

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system.run_dir import RunDir

# A name is one run's own, and where one run began from is no part of how it trains.
_OF_ONE_RUN = {"name": None, "resume_adapter_file": None, "adapter_path": None}


def plan_like(run: RunDir) -> RunPlan:
    """What the run trained with last, after any recovery; its first plan if that is damaged.

    Raises CockpitError if neither can be read.
    """
    return _newest(run).model_copy(update=_OF_ONE_RUN)


def _newest(run: RunDir) -> RunPlan:
    for attempt in reversed(run.attempts()):
        with contextlib.suppress(CockpitError):
            return attempt.plan()
    return run.plan()
