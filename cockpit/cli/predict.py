"""``cockpit predict``: the peak memory of a plan, on this machine or another."""

from __future__ import annotations

import argparse
from typing import Any

from cockpit.cli import output, timing
from cockpit.cli.forecasting import METHODS, chosen_profile, patience, with_needed_keys
from cockpit.cli.plan_arguments import plan_from_arguments
from cockpit.core.forecast import PARTS, MemoryForecast
from cockpit.core.format import band, count, gigabytes, plain
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.memory.oracle import Oracle
from cockpit.system import hardware, preflight, preflight_data

# Stands in for data that was not named: every example then fills max_seq_length.
NO_DATA = "(full length)"


def add_time_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--time",
        action="store_true",
        help="Unless runs like it tell: train a few updates, to know how long the whole takes.",
    )


def predict(arguments: argparse.Namespace) -> int:
    plan, profile = asked_plan(arguments), chosen_profile(arguments.profile)
    use_data = plan.data != NO_DATA
    if arguments.time:
        timing.check_asked(has_data=use_data, profile=profile)
    with Oracle(profile) as oracle, patience("forecasting the peak memory ..."):
        forecast = oracle.ask(plan, use_data=use_data)
        full_bytes = forecast.full_length_peak_bytes
        if full_bytes is None:  # the data fills it, or the estimate is rough
            traced = forecast.method == "trace" or not use_data
            full_bytes = (forecast if traced else oracle.ask(plan, use_data=False)).peak_bytes
        lengths = oracle.lengths(plan) if arguments.time else None
    pace = None
    if arguments.time:
        pace = timing.measured(plan, forecast, profile, lengths)
    elif use_data and _is_here(profile):
        pace = timing.known(plan)
    if arguments.json:
        document = _document(forecast, full_bytes, profile)
        output.print_json(document | {"time": timing.document(plan, pace)})
        return 0
    _print(forecast, full_bytes, profile, use_data)
    if use_data and _is_here(profile):
        print(timing.line_of(plan, pace))
    return 0


def _is_here(profile: HardwareProfile) -> bool:
    return profile.name == hardware.THIS_MACHINE


def asked_plan(arguments: argparse.Namespace) -> RunPlan:
    """The plan that the flags name, its data checked; without any, one of full length."""
    plan = with_needed_keys(plan_from_arguments(arguments, without_data=NO_DATA))
    for line in preflight.before_pricing(plan):
        output.say(line)
    if plan.data != NO_DATA:
        data = preflight_data.summary(plan)
        for issue in preflight_data.check(plan, data) if data else ():
            if isinstance(issue, CockpitError):
                raise issue
    return plan


def _document(
    forecast: MemoryForecast, full_bytes: int, profile: HardwareProfile
) -> dict[str, Any]:
    return forecast.document(profile.budget_bytes) | {
        "profile": profile.name,
        "full_length_peak_bytes": full_bytes,
    }


def _print(forecast: MemoryForecast, full_bytes: int, profile: HardwareProfile, data: bool) -> None:
    print(plain(_headline(forecast, full_bytes, data)))
    print()
    output.print_table(("PART", "MEMORY"), part_rows(forecast))
    print()
    how = METHODS[forecast.method]
    print(f"{how}, {band(forecast.low_bytes, forecast.high_bytes)}")
    if forecast.unvalidated:
        print(f"unvalidated: no run on {profile.backend} like this was measured against it")
    verdict = "fits" if forecast.fits(profile.budget_bytes) else "does not fit"
    needs = f"with its process {gigabytes(forecast.needed_bytes)}"
    budget = f"the budget of {profile.title} is {gigabytes(profile.budget_bytes)}"
    print(plain(f"{verdict}: {budget}, and the run needs {needs}"))
    for note in forecast.notes:
        print(plain(f"- {note}"))


def _headline(forecast: MemoryForecast, full_bytes: int, data: bool) -> str:
    length = f"at full length {gigabytes(full_bytes)}"
    if not data:
        return length
    tokens = forecast.longest_batch_tokens
    longest = f" (longest batch {count(tokens)} tokens)" if tokens else ""
    return f"with your data {gigabytes(forecast.peak_bytes)}{longest}; {length}"


def part_rows(forecast: MemoryForecast) -> list[tuple[str, str]]:
    """The parts and their total in one unit, rounded so that they still add up."""
    large = forecast.peak_bytes >= 1e8
    unit, digits, name = (1e7, 2, "GB") if large else (1e5, 1, "MB")
    shown = {part: size for part in PARTS if (size := forecast.parts.get(part))}
    rounded = round_together(shown, unit)

    def text(units: int) -> str:
        return f"{units / 10**digits:>8.{digits}f} {name}"

    rows = [(part.replace("_", " "), text(units)) for part, units in rounded.items()]
    return [*rows, ("peak", text(sum(rounded.values())))]


def round_together(sizes: dict[str, int], unit: float) -> dict[str, int]:
    """Sizes in whole ``unit``s whose sum is the rounded sum: the largest remainders round up."""
    floors = {name: int(size // unit) for name, size in sizes.items()}
    left = round(sum(sizes.values()) / unit) - sum(floors.values())
    by_remainder = sorted(sizes, key=lambda name: sizes[name] % unit, reverse=True)
    return {name: floors[name] + (name in by_remainder[:left]) for name in sizes}
