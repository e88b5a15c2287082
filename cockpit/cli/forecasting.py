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
from cockpit.memory import fit, history
from cockpit.memory.fit import Change, Limits
from cockpit.memory.forecast import Forecaster, spec_of
from cockpit.system import hardware, preflight, preflight_data
from cockpit.system.software import installed_version

METHODS = {"trace": "traced", "analytic": "rough estimate"}
PATIENCE_SECONDS = 1.0


class Oracle:
    """Forecasts for one machine, narrowed by the runs that finished on it.

    Its tracing process lives until the end of the ``with``: nothing may train before.
    """

    def __init__(self, profile: HardwareProfile, *, rough_longest_tokens: int | None = None):
        self.profile = profile
        self._forecaster = Forecaster(profile.backend, profile.chip)
        self._rough_longest_tokens = rough_longest_tokens
        self._here = profile.name == hardware.THIS_MACHINE
        self._known = history.records() if self._here else []

    def __enter__(self) -> Oracle:
        self._forecaster.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._forecaster.close()

    def ask(self, plan: RunPlan, *, use_data: bool = True) -> MemoryForecast | None:
        """The forecast, on the plan's data where it has any; None if the model is not known."""
        found = self._forecaster.forecast(
            plan,
            use_data=use_data,
            rough_longest_tokens=self._rough_longest_tokens if use_data else None,
        )
        if found is None or not self._known:
            return found
        kind = history.kind_of(device_name(self.profile), installed_version("mlx"), plan)
        return history.narrowed(found, kind, self._known)


def chosen_profile(name: str | None) -> HardwareProfile:
    """The profile of that name; this machine's without one."""
    if name is None or name == hardware.THIS_MACHINE:
        return hardware.detect()
    return hardware.known_profiles().get(name)


def device_name(profile: HardwareProfile) -> str:
    """What the history calls a machine."""
    return profile.chip or profile.title


def record_history() -> None:
    """Adds the runs that finished to this machine's history; a failure is no news."""
    try:
        history.record_finished_runs(device_name(hardware.detect()))
    except (CockpitError, OSError):
        return


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


def limits_of(plan: RunPlan, *, use_data: bool) -> Limits:
    """How far model and data let a search go."""
    spec = spec_of(plan)
    data = preflight_data.summary(plan) if use_data else None
    splits = [data.train_examples, data.valid_examples] if data else []
    return Limits(
        layers=spec.num_hidden_layers if spec else None,
        examples=min((count for count in splits if count), default=None),
        tokens=spec.max_position_embeddings if spec else None,
    )


def before_launch(
    plan: RunPlan, *, anyway: bool, take_fitting: bool = False
) -> tuple[RunPlan, dict[str, Any] | None]:
    """The plan to launch on this machine with its forecast document, None if nothing is known.

    Raises CockpitError naming the cheapest plan that fits when the forecast exceeds the budget,
    unless ``anyway``; ``take_fitting`` takes that plan instead. No tracing process is left.
    """
    found = preflight.examine(plan)
    longest = found.data.train.rough_longest_tokens if found.data and found.data.train else None
    profile = hardware.detect()
    with Oracle(profile, rough_longest_tokens=longest) as oracle:
        with patience("forecasting the peak memory ..."):
            forecast = oracle.ask(plan)
        if forecast is None:
            say("memory: no forecast, the model is not on this machine yet")
            return plan, None
        say(line_of(forecast, profile.budget_bytes))
        if refused(forecast, profile.budget_bytes) and not anyway:
            plan, forecast = _made_to_fit(oracle, plan, forecast, take_fitting)
    return plan, forecast.document(profile.budget_bytes)


def refused(forecast: MemoryForecast, budget_bytes: int) -> bool:
    """Whether a plan is not launched without a word; a rough estimate must be sure of it."""
    needed = forecast.low_bytes if forecast.method == "analytic" else forecast.peak_bytes
    return needed > budget_bytes


def line_of(forecast: MemoryForecast, budget_bytes: int) -> str:
    """``memory: 6.10 GB of 7.20 GB (5.9 to 6.2 GB, traced)``."""
    how = METHODS[forecast.method] + (", unvalidated" if forecast.unvalidated else "")
    between = band(forecast.low_bytes, forecast.high_bytes)
    return (
        f"memory: {gigabytes(forecast.peak_bytes)} of {gigabytes(budget_bytes)} ({between}, {how})"
    )


def _made_to_fit(
    oracle: Oracle, plan: RunPlan, forecast: MemoryForecast, take_fitting: bool
) -> tuple[RunPlan, MemoryForecast]:
    budget_bytes = oracle.profile.budget_bytes
    change = cheapest(oracle, plan)
    if change is None or not take_fitting:
        raise CockpitError(
            "The plan is not expected to fit this machine",
            f"{gigabytes(forecast.peak_bytes)} of {gigabytes(budget_bytes)}"
            f" ({METHODS[forecast.method]})",
            _remedy(change),
        )
    say(f"taking the cheapest plan that fits: {change.flags()}")
    say(line_of(change.forecast, budget_bytes))
    return change.plan, change.forecast


def cheapest(oracle: Oracle, plan: RunPlan) -> Change | None:
    """The cheapest change that makes ``plan`` fit the oracle's machine."""
    with patience("looking for the cheapest plan that fits ..."):
        limits = limits_of(plan, use_data=True)
        return fit.cheapest(oracle.ask, plan, oracle.profile.budget_bytes, limits)


def _remedy(change: Change | None) -> str:
    if change is None:
        return (
            "No change to batch, sequence length or layers makes it fit: choose a smaller or a "
            "4-bit model. --anyway launches it as it is."
        )
    return (
        f"This fits with {gigabytes(change.forecast.peak_bytes)}: {change.flags()}\n"
        "--fit takes that plan; --anyway launches what was asked."
    )
