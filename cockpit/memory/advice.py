"""What fits beside a plan, found out step by step: the change that matters most comes first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.memory import fit, rungs
from cockpit.memory.fit import Ask, Change, Largest, LeverCost, Limits


@dataclass(frozen=True, slots=True)
class Advice:
    """What is known so far of ``plan`` against a budget; ``done`` when that is all.

    ``cheapest`` is None if the plan fits as it is, or if no change makes it fit.
    """

    plan: RunPlan
    budget_bytes: int
    now: MemoryForecast
    cheapest: Change | None = None
    costs: tuple[LeverCost, ...] = ()
    largest: tuple[Largest, ...] = ()
    done: bool = False

    @property
    def fits(self) -> bool:
        return bool(self.now.fits(self.budget_bytes))


def advise(ask: Ask, plan: RunPlan, budget_bytes: int, limits: Limits) -> Iterator[Advice]:
    """The cheapest change that fits, then the price of each lever, then the largest of each.

    Dozens of forecasts. Nothing comes if ``ask`` knows nothing of the plan; what ``ask`` raises
    ends the search.
    """
    now = ask(plan)
    if now is None:
        return
    advice = Advice(plan, budget_bytes, now)
    if not advice.fits:
        advice = replace(advice, cheapest=rungs.cheapest(ask, plan, budget_bytes, limits))
    yield advice
    advice = replace(advice, costs=tuple(fit.lever_costs(ask, plan, limits)))
    yield advice
    for lever in fit.LEVERS:
        found = fit.largest(ask, plan, lever, budget_bytes, limits)
        if found is not None:
            advice = replace(advice, largest=(*advice.largest, found))
            yield advice
    yield replace(advice, done=True)
