"""``cockpit fit``: what fits the budget, what would make a plan fit, and what each lever costs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from cockpit.cli import output
from cockpit.cli.forecasting import METHODS, chosen_profile, patience
from cockpit.cli.predict import NO_DATA, asked_plan
from cockpit.core.forecast import MemoryForecast
from cockpit.core.format import count, gigabytes, plain
from cockpit.core.plan import RunPlan
from cockpit.memory.advice import Advice, advise
from cockpit.memory.fit import Change, Largest, LeverCost
from cockpit.memory.oracle import Oracle, limits_of


def fit(arguments: argparse.Namespace) -> int:
    plan, profile = asked_plan(arguments), chosen_profile(arguments.profile)
    use_data = plan.data != NO_DATA
    limits = limits_of(plan, use_data=use_data)
    with Oracle(profile) as oracle, patience("forecasting a few dozen plans ..."):

        def ask(changed: RunPlan) -> MemoryForecast:
            return oracle.ask(changed, use_data=use_data, compare=False)

        *_, advice = advise(ask, plan, profile.budget_bytes, limits)
    if arguments.json:
        output.print_json(_document(advice, profile.name))
        return 0
    now = advice.now
    unvalidated = ", unvalidated" if now.unvalidated else ""
    print(
        plain(
            f"{gigabytes(now.needed_bytes)} of {gigabytes(profile.budget_bytes)} on "
            f"{profile.title}: {'fits' if advice.fits else 'does not fit'} "
            f"({METHODS[now.method]}{unvalidated})"
        )
    )
    _print_change(advice.fits, advice.cheapest)
    _print_largest(advice.largest, limits.tokens)
    _print_costs(advice.costs)
    return 0


def _print_change(fits: bool, change: Change | None) -> None:
    if fits:
        return
    if change is None:
        print("No change to batch, sequence length or layers makes it fit.")
        return
    print(f"The cheapest change that fits, with {gigabytes(change.forecast.needed_bytes)}:")
    print(plain(f"  {change.flags()}"))


def _print_largest(largest: Sequence[Largest], tokens: int | None) -> None:
    print("\nThe largest inside the budget, the rest as it is:")
    rows = []
    for each in largest:
        value = "none fits" if each.value is None else count(each.value)
        peak = gigabytes(each.forecast.needed_bytes) if each.forecast else ""
        rows.append((each.lever, count(each.asked), value, peak, _limit(each, tokens)))
    output.print_table(("FIELD", "NOW", "LARGEST", "MEMORY", ""), rows)


def _limit(each: Largest, tokens: int | None) -> str:
    """What ended the search, if not the budget; ``tokens`` is what the model was made for."""
    if not each.at_limit:
        return ""
    if each.lever == "max_seq_length" and tokens and each.asked > max(tokens, each.value or 0):
        return f"{count(each.asked)} is beyond the {count(tokens)} the model was made for"
    return "as far as model, data and search go"


def _print_costs(costs: Sequence[LeverCost]) -> None:
    print("\nWhat each lever costs:")
    rows = [(each.label, _signed(each.bytes_added)) for each in costs]
    output.print_table(("LEVER", "MEMORY"), rows)


def _signed(size_bytes: int) -> str:
    return ("+" if size_bytes > 0 else "") + gigabytes(size_bytes)


def _document(advice: Advice, profile: str) -> dict[str, Any]:
    change, budget_bytes = advice.cheapest, advice.budget_bytes
    return {
        "profile": profile,
        "budget_bytes": budget_bytes,
        "plan": advice.now.document(budget_bytes),
        "largest": {
            each.lever: {
                "asked": each.asked,
                "value": each.value,
                "at_limit": each.at_limit,
                "forecast": each.forecast.document(budget_bytes) if each.forecast else None,
            }
            for each in advice.largest
        },
        "cheapest": None
        if change is None
        else {"changes": change.fields, "forecast": change.forecast.document(budget_bytes)},
        "levers": [
            {"change": each.fields, "bytes_added": each.bytes_added} for each in advice.costs
        ],
    }
