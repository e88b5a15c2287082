"""Forecasts on the command line, and the one before a launch: said, and obeyed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cockpit.cli.output import say
from cockpit.core.forecast import MemoryForecast
from cockpit.core.format import band, gigabytes
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.memory import rungs
from cockpit.memory.fit import Change
from cockpit.memory.forecast import NoForecast
from cockpit.memory.oracle import Oracle, limits_of
from cockpit.memory.verdicts import note_on_keys
from cockpit.memory.verdicts import with_needed_keys as needed_keys
from cockpit.system import hardware, preflight

METHODS = {"trace": "traced", "analytic": "rough estimate"}
PATIENCE_SECONDS = 1.0


def chosen_profile(name: str | None) -> HardwareProfile:
    """The profile of that name; this machine's without one."""
    if name is None or name == hardware.THIS_MACHINE:
        return hardware.this_machine()
    return hardware.known_profiles().get(name)


@contextmanager
def patience(text: str) -> Iterator[None]:
    """Says ``text`` if what follows takes longer than a moment."""
    timer = threading.Timer(PATIENCE_SECONDS, say, (text,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def with_needed_keys(plan: RunPlan) -> RunPlan:
    """``plan`` with the LoRA keys that its model needs, if it names none; says so."""
    keyed = needed_keys(plan)
    if keyed != plan:
        say(note_on_keys(keyed))
    return keyed


def before_launch(
    plan: RunPlan, *, anyway: bool, take_fitting: bool = False
) -> tuple[RunPlan, dict[str, Any] | None]:
    """The plan to launch on this machine with its forecast document, None if nothing is known.

    Raises CockpitError naming the cheapest plan that fits when the forecast exceeds the budget,
    unless ``anyway``; ``take_fitting`` takes that plan instead. No tracing process is left.
    """
    found = preflight.examine(plan)
    longest = found.data.train.rough_longest_tokens if found.data and found.data.train else None
    profile = hardware.this_machine()
    with Oracle(profile, rough_longest_tokens=longest) as oracle:
        try:
            with patience("forecasting the peak memory ..."):
                forecast = oracle.ask(plan)
        except NoForecast as reason:
            say(f"memory: no forecast: {reason.message}")
            return plan, None
        say(line_of(forecast, profile.budget_bytes))
        if refused(forecast, profile.budget_bytes) and not anyway:
            plan, forecast = _made_to_fit(oracle, plan, forecast, take_fitting)
    return plan, forecast.document(profile.budget_bytes)


def refused(forecast: MemoryForecast, budget_bytes: int) -> bool:
    """Whether a plan is not launched without a word; a rough estimate must be sure of it."""
    if forecast.method == "analytic":
        return forecast.low_bytes + forecast.outside_bytes > budget_bytes
    return not forecast.fits(budget_bytes)


def line_of(forecast: MemoryForecast, budget_bytes: int) -> str:
    """``memory: peak 6.10 GB (5.9 to 6.2 GB, traced), with the process 6.30 GB of 7.20 GB``."""
    how = METHODS[forecast.method] + (", unvalidated" if forecast.unvalidated else "")
    between = band(forecast.low_bytes, forecast.high_bytes)
    return (
        f"memory: peak {gigabytes(forecast.peak_bytes)} ({between}, {how}), "
        f"with the process {needed_of(forecast, budget_bytes)}"
    )


def needed_of(forecast: MemoryForecast, budget_bytes: int) -> str:
    """``6.30 GB of 7.20 GB``: the whole process beside what there is for it."""
    return f"{gigabytes(forecast.needed_bytes)} of {gigabytes(budget_bytes)}"


def _made_to_fit(
    oracle: Oracle, plan: RunPlan, forecast: MemoryForecast, take_fitting: bool
) -> tuple[RunPlan, MemoryForecast]:
    budget_bytes = oracle.profile.budget_bytes
    change = cheapest(oracle, plan)
    if change is None or not take_fitting:
        raise CockpitError(
            "The plan is not expected to fit this machine",
            f"{needed_of(forecast, budget_bytes)} ({METHODS[forecast.method]})",
            _remedy(change),
        )
    say(f"taking the cheapest plan that fits: {change.flags()}")
    taken = oracle.ask(change.plan)
    say(line_of(taken, budget_bytes))
    return change.plan, taken


def cheapest(oracle: Oracle, plan: RunPlan) -> Change | None:
    """The cheapest change that makes ``plan`` fit the oracle's machine."""
    with patience("looking for the cheapest plan that fits ..."):
        limits = limits_of(plan, use_data=True)
        return rungs.cheapest(oracle.price, plan, oracle.profile.budget_bytes, limits)


def _remedy(change: Change | None) -> str:
    if change is None:
        return (
            "No change to batch, sequence length or layers makes it fit: choose a smaller or a "
            "4-bit model. --anyway launches it as it is."
        )
    return (
        f"This fits with {gigabytes(change.forecast.needed_bytes)}: {change.flags()}\n"
        "--fit takes that plan; --anyway launches what was asked."
    )
