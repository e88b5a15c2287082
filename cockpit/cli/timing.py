"""``cockpit predict --time``: how long a plan takes, by what is known or by a short warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cockpit.cli.forecasting import patience, refused
from cockpit.cli.working import StatusLine
from cockpit.core.forecast import MemoryForecast
from cockpit.core.format import duration, gigabytes, plain
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.results.messages import Progress
from cockpit.system import hardware, preflight
from cockpit.system.pace import Pace, brief, pace_of
from cockpit.system.warm_up import WarmUp, Work, check


def known(plan: RunPlan) -> Pace | None:
    """By earlier runs and warm-ups on this machine."""
    return pace_of(preflight.examine(plan).plan)


def check_asked(*, has_data: bool, profile: HardwareProfile) -> None:
    """Raises CockpitError for a plan that cannot be timed here whatever its forecast."""
    if not has_data:
        raise CockpitError("A plan without data cannot be timed", "--time", "Name it with --data.")
    if profile.name != hardware.THIS_MACHINE:
        raise CockpitError(
            "A plan can only be timed on this machine",
            f"--profile names {profile.name}",
            "Leave --profile out, or leave --time out.",
        )


def measured(
    plan: RunPlan,
    forecast: MemoryForecast,
    profile: HardwareProfile,
    lengths: Sequence[int] | None,
) -> Pace:
    """What is known of this plan's data, or else a warm-up of it; CockpitError if none may be.

    ``lengths`` are the tokens of every example, if they are known.
    """
    prepared = preflight.prepare(plan)
    found = pace_of(prepared)
    if found is not None and found.same_data:
        return found
    if refused(forecast, profile.budget_bytes):
        raise CockpitError(
            "The plan is not expected to fit this machine, so it is not timed",
            f"{gigabytes(forecast.needed_bytes)} of {gigabytes(profile.budget_bytes)}",
            "See what fits with: cockpit fit",
        )
    with patience("looking whether a run is training ..."):
        check(prepared)
    warm_up = WarmUp(prepared, profile.budget_bytes, _work(prepared, lengths))
    with StatusLine() as status:
        pace = warm_up.measure(lambda text: status.show(Progress(text)))
    assert pace is not None  # nobody calls it off
    return pace


def _work(plan: RunPlan, lengths: Sequence[int] | None) -> Work | None:
    from cockpit.memory.work import work_of  # numpy

    return work_of(plan, lengths) if lengths else None


def line_of(plan: RunPlan, pace: Pace | None) -> str:
    """``time: 3m20s, 200 updates of 1 s, as RUN went``."""
    if pace is None:
        return "time: n/a, no run like this yet; --time measures a few updates"
    each = f"{plan.updates:,} updates of {brief(pace.update_seconds(plan))}"
    return plain(f"time: {duration(pace.seconds(plan))}, {each}, {pace.source}")


def document(plan: RunPlan, pace: Pace | None) -> dict[str, Any] | None:
    """As JSON has it; validations, checkpoints and loading are not in it."""
    if pace is None:
        return None
    return {
        "seconds": pace.seconds(plan),
        "updates": plan.updates,
        "seconds_per_update": pace.update_seconds(plan),
        "from": "warm-up" if pace.warm_up_updates else "run",
        "run": pace.run or None,
        "warm_up_updates": pace.warm_up_updates or None,
        "same_data": pace.same_data,
    }
