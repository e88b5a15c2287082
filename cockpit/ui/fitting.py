"""What fits beside the plan of the form: asked of the tracer, and said in a few words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cockpit.core import format as fmt
from cockpit.errors import CockpitError
from cockpit.ui.assessment import Assessment, Subject
from cockpit.ui.spans import pad

if TYPE_CHECKING:
    from cockpit.core.forecast import MemoryForecast
    from cockpit.core.plan import RunPlan
    from cockpit.memory.advice import Advice
    from cockpit.memory.fit import Change, Largest
    from cockpit.ui.tracing import Tracer

NO_CHANGE = "no change to batch, sequence length or layers makes it fit"


@dataclass(frozen=True, slots=True)
class Fitting:
    """Advice on exactly ``subject``."""

    subject: Subject
    advice: Advice


class _CalledOff(Exception):
    """Nobody wants the answer any more."""


def search(found: Assessment, tracer: Tracer, wanted: Callable[[], bool]) -> Iterator[Fitting]:
    """What fits beside the plan of ``found``, growing; ends early when it is not ``wanted``. Slow.

    Nothing comes where nothing is known, or without a budget.
    """
    from cockpit.memory.advice import advise
    from cockpit.memory.oracle import limits_of

    subject = found.figure.subject if found.figure is not None else None
    if subject is None or subject.profile is None or found.checked is None:
        return

    def ask(plan: RunPlan) -> MemoryForecast:
        if not wanted():
            raise _CalledOff
        forecast = tracer.forecast(
            plan,
            subject.profile,
            rough_longest_tokens=found.rough_longest_tokens,
            compare=False,
        )
        if forecast is None:
            raise _CalledOff
        return forecast

    try:
        limits = limits_of(found.checked, use_data=True)
        for advice in advise(ask, found.checked, subject.profile.budget_bytes, limits):
            yield Fitting(subject, advice)
    except (_CalledOff, CockpitError):
        return


def first(found: Assessment, tracer: Tracer) -> Fitting | None:
    """The first of ``search``: it has the cheapest change that fits. Slow."""
    return next(search(found, tracer, lambda: True), None)


def hints(advice: Advice, *, stale: bool) -> dict[str, tuple[str, ...]]:
    """A few words beside the fields of the form: the largest that fits, and what steps cost.

    Of a plan that has changed since only the largest are told, as what they were.
    """
    if stale:
        return {each.lever: (f"was: {_largest(each)}",) for each in advice.largest}
    said: dict[str, list[str]] = {}
    for each in advice.largest:
        said.setdefault(each.lever, []).append(_largest(each))
    for cost in advice.costs:
        ((name, value),) = cost.fields.items()
        name, value = ("rank", value["rank"]) if isinstance(value, dict) else (name, value)
        shown = ("off", "on")[value] if isinstance(value, bool) else f"{value:,}"
        said.setdefault(name, []).append(f"{shown}: {signed(cost.bytes_added)}")
    return {name: tuple(words) for name, words in said.items()}


def _largest(each: Largest) -> str:
    if each.value is None:
        return "none fits"
    return f"≤ {each.value:,} fit" if not each.at_limit else f"≤ {each.value:,}, all fit"


def signed(size_bytes: int) -> str:
    """``+1.20 GB``."""
    return ("+" if size_bytes > 0 else "") + fmt.gigabytes(size_bytes)


def change_in_words(change: Change) -> str:
    """``6.10 GB with batch_size 2, grad_checkpoint on``."""
    return f"{fmt.gigabytes(change.forecast.needed_bytes)} with {change.label}"


def offer(advice: Advice) -> str:
    """What would make the plan fit, and the key that takes it; empty if it fits."""
    if advice.fits:
        return ""
    if advice.cheapest is None:
        return f"does not fit, and {NO_CHANGE}"
    return f"x makes it fit: {change_in_words(advice.cheapest)}"


def table(advice: Advice) -> str:
    """All of it, for a dialog."""
    lines = []
    if not advice.fits:
        fit = change_in_words(advice.cheapest) if advice.cheapest else NO_CHANGE
        lines += ["The cheapest change that fits", f"  {fit}", ""]
    if advice.largest:
        lines.append("The largest inside the budget, the rest as it is")
    for each in advice.largest:
        peak = fmt.gigabytes(each.forecast.needed_bytes) if each.forecast is not None else ""
        lines.append(f"  {pad(each.lever, 18)}{pad(_largest(each), 18)}{peak:>9}")
    if advice.costs:
        lines += ["", "What each lever adds to the peak"]
    lines += [f"  {pad(c.label, 32)}{signed(c.bytes_added):>11}" for c in advice.costs]
    return "\n".join(lines).strip()
