"""What the ladder is asked, and how a way on becomes a rung of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cockpit.core import continuation
from cockpit.core.forecast import MemoryForecast
from cockpit.core.ladder import Rung, RungKind, below_floor
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.memory import fit, rung_words
from cockpit.memory.client import TraceCancelled
from cockpit.memory.fit import PAD_TO, Ask, Limits
from cockpit.memory.forecast import PlanRefused


@dataclass(frozen=True, slots=True)
class Way:
    """A plan on the way down, with its forecast; None where there is none.

    ``refused`` says why the model cannot be trained with this plan; empty if it can.
    """

    plan: RunPlan
    forecast: MemoryForecast | None = None
    refused: str = ""

    def fits(self, budget_bytes: int | None) -> bool | None:
        return None if self.forecast is None else self.forecast.fits(budget_bytes)


@dataclass(frozen=True, slots=True)
class Question:
    """What the ladder is asked: which plan must fit, into what, and what is known of its data.

    ``lengths`` are the training examples' in tokens, uncut; None if they are not known.
    ``budget_bytes`` None: nobody knows what fits, so each lever is moved one notch. ``goes_on``:
    the plan is to go on from a checkpoint, not to start. ``cost`` says what the switches of a plan
    cost in time, empty if nobody knows.
    """

    plan: RunPlan
    budget_bytes: int | None
    limits: Limits
    lengths: Sequence[int] | None = None
    goes_on: bool = False
    cost: Callable[[RunPlan], str] | None = None

    @property
    def longest(self) -> int | None:
        return max(self.lengths, default=None) if self.lengths is not None else None


def priced(ask: Ask, plan: RunPlan) -> Way:
    """The plan with what ``ask`` says of it. TraceCancelled is for whoever called it off."""
    try:
        return Way(plan, ask(plan))
    except TraceCancelled:
        raise
    except PlanRefused as error:
        return Way(plan, refused=": ".join(part for part in (error.title, error.message) if part))
    except CockpitError:
        return Way(plan)


def describe(question: Question, kind: RungKind, way: Way, *, offered: bool = False) -> Rung:
    """The rung that goes ``way``. One that does not fit is not offered, unless ``offered``."""
    before, depth = question.plan, question.limits.layers
    fits = way.fits(question.budget_bytes)
    why_not = way.refused
    if fits is False and way.forecast is not None and not offered:
        why_not = rung_words.too_much(kind, way.plan, way.forecast, question.budget_bytes)
    # What the trainer refuses cannot be taken by anybody.
    changes = {} if way.refused else fit.changed(before, way.plan)
    return Rung(
        kind=kind,
        title=rung_words.title(kind, before, way.plan, depth),
        changes=changes,
        lossless=continuation.is_lossless(before, way.plan, depth),
        consequences=consequences(question, way.plan),
        forecast=way.forecast,
        fits=fits,
        why_not=why_not,
        below_floor=below_floor(before, changes),
        short=rung_words.short(kind, before, way.plan, depth),
    )


def consequences(question: Question, after: RunPlan) -> tuple[str, ...]:
    before, depth = question.plan, question.limits.layers
    effects = rung_words.of_going_on(before, after, depth) if question.goes_on else ()
    cost = question.cost(after) if question.cost is not None else ""
    said = rung_words.consequences(before, after, question.lengths, depth)
    return (*said, *([cost] if cost else []), *effects)


def padded(tokens: int) -> int:
    """The padded length, 32 k + 1, of examples of at most so many tokens."""
    return max(1, -(-tokens // PAD_TO)) * PAD_TO + 1
