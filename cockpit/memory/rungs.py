"""The rungs of the ladder, each priced: what it takes of a plan until that fits a budget.

Each lever is tried alone first. Where that is not enough, it stands on what the rungs above it
can give, so that nothing learned is given up before everything lossless is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cockpit.core.forecast import MemoryForecast
from cockpit.core.ladder import Rung, RungKind
from cockpit.core.plan import RunPlan
from cockpit.memory import fit, rung_words
from cockpit.memory.fit import PAD_TO, Ask, Change, Limits
from cockpit.memory.rung_question import Question, Way, describe, padded, priced

# Pieces of the loss that are tried; more save next to nothing.
CHUNKS = (2, 4, 8, 16, 32)


def cheapest(ask: Ask, plan: RunPlan, budget_bytes: int, limits: Limits) -> Change | None:
    """The plan that the ladder would preselect; None if no rung fits. Forecasts no further."""
    below: Rung | None = None
    for rung in MemoryRungs(Question(plan, budget_bytes, limits), ask):
        if rung.fits and not rung.below_floor:
            return _change(plan, rung)
        if rung.fits:
            below = below or rung
    return None if below is None else _change(plan, below)


def _change(plan: RunPlan, rung: Rung) -> Change | None:
    if rung.forecast is None:
        return None
    return Change(plan.with_changes(**rung.changes), rung.forecast, rung.changes)


class MemoryRungs:
    """Iterates over the rungs against a lack of memory, in their order; each costs forecasts."""

    def __init__(self, question: Question, ask: Ask):
        self._question = question
        self._ask = ask
        self._plan = question.plan
        # All that the rungs so far can give: where a lever stands that is not enough alone.
        self._reduced = question.plan
        self._lossless = question.plan

    def __iter__(self) -> Iterator[Rung]:
        yield self._switch("grad_checkpoint", self._checkpointing)
        yield self._switch("loss_chunks", self._chunking)
        yield self._batch()
        self._lossless = self._reduced
        yield self._sequence("cut")
        yield self._sequence("split")
        self._reduce_length()
        yield self._layers()

    def _price(self, plan: RunPlan) -> MemoryForecast | None:
        return self._way(plan).forecast

    def _way(self, plan: RunPlan) -> Way:
        return priced(self._ask, plan)

    def _fits(self, way: Way) -> bool | None:
        return way.fits(self._question.budget_bytes)

    # The levers

    def _checkpointing(self, base: RunPlan) -> list[RunPlan]:
        return [] if base.grad_checkpoint else [base.with_changes(grad_checkpoint=True)]

    def _chunking(self, base: RunPlan) -> list[RunPlan]:
        return [base.with_changes(loss_chunks=n) for n in CHUNKS if n > base.loss_chunks]

    def _splitting(self, base: RunPlan) -> list[RunPlan]:
        steps = []
        while base.batch_size > 1:
            base = fit.split_batch(base)
            steps.append(base)
        return steps

    def _halving_layers(self, base: RunPlan) -> list[RunPlan]:
        layers = rung_words.trained_layers(base, self._question.limits.layers) or 1
        steps = []
        while layers > 1:
            layers //= 2
            steps.append(base.with_changes(num_layers=layers))
        return steps

    # The rungs

    def _switch(self, kind: RungKind, steps: Callable[[RunPlan], list[RunPlan]]) -> Rung:
        if not steps(self._plan):
            return self._not_offered(kind, rung_words.nothing_left(kind, self._plan))
        rung = self._best_of(kind, [steps(base) for base in self._bases()])
        most = steps(self._reduced)[-1]
        if self._saves(most):
            self._reduced = most
        elif rung.fits is False:
            return self._not_offered(kind, "it saves nothing where this plan needs the most")
        return rung

    def _batch(self) -> Rung:
        if not self._splitting(self._plan):
            return self._not_offered("batch_size", "a micro-batch is one example already")
        rung = self._best_of("batch_size", [self._splitting(base) for base in self._bases()])
        self._reduced = self._splitting(self._reduced)[-1]
        return rung

    def _sequence(self, handling: str) -> Rung:
        """The longest that fits, examples beyond it cut or split; see ``_reduce_length``."""
        kind: RungKind = "max_seq_length" if handling == "cut" else "long_examples"
        if handling == self._plan.long_examples == "split":
            return self._not_offered(kind, "long examples are split already")
        most = self._longest_shorter()
        if most is None:
            return self._not_offered(kind, "no shorter length is left")
        tried = Way(self._plan)
        for base in self._bases():
            if handling == "split":
                base = base.with_changes(long_examples="split")
            shortest = base.with_changes(max_seq_length=PAD_TO + 1)
            tried = self._way(shortest)
            if tried.forecast is None or self._question.budget_bytes is None:
                halved = base.with_changes(max_seq_length=padded(most // 2))
                return self._rung(kind, self._way(halved))
            if self._fits(tried):
                return self._rung(kind, self._longest_fitting(base, most, tried))
        return self._rung(kind, tried)

    def _longest_fitting(self, base: RunPlan, most: int, shortest: Way) -> Way:
        limits = Limits(self._question.limits.layers, tokens=most)
        budget = self._question.budget_bytes
        assert budget is not None
        start = base.with_changes(max_seq_length=min(base.max_seq_length, most))
        found = fit.largest(self._price, start, "max_seq_length", budget, limits)
        if found is None or found.value is None:
            return shortest
        return Way(base.with_changes(max_seq_length=found.value), found.forecast)

    def _longest_shorter(self) -> int | None:
        """The longest padded length below what batches have now; None if there is none."""
        now = self._plan.max_seq_length
        if self._question.longest is not None:
            now = min(now, padded(self._question.longest))
        shorter = (now - 2) // PAD_TO * PAD_TO + 1
        return shorter if shorter > 1 else None

    def _reduce_length(self) -> None:
        """Layers are dropped only where the plan's shortest length is not enough."""
        most, floor = self._longest_shorter(), padded(self._plan.floor_seq_length)
        if most is not None and floor <= most:
            shorter = self._reduced.with_changes(max_seq_length=floor)
            if self._saves(shorter):
                self._reduced = shorter

    def _layers(self) -> Rung:
        if rung_words.trained_layers(self._plan, self._question.limits.layers) is None:
            return self._not_offered("num_layers", "how many blocks the model has is not known")
        if not self._halving_layers(self._plan):
            return self._not_offered("num_layers", "a single block is trained already")
        ways = [self._halving_layers(base) for base in self._bases()]
        rung = self._best_of("num_layers", ways)
        cut = rung.changes.get("max_seq_length")
        budget = self._question.budget_bytes
        if not rung.fits or cut is None or budget is None:
            return rung
        # Room that fewer layers left: no more is cut than must be.
        base = self._plan.with_changes(**rung.changes)
        most = self._longest_shorter() or cut
        return self._rung("num_layers", self._longest_fitting(base, most, Way(base, rung.forecast)))

    # Searching

    def _bases(self) -> list[RunPlan]:
        found: list[RunPlan] = []
        for base in (self._plan, self._lossless, self._reduced):
            if base not in found:
                found.append(base)
        return found

    def _saves(self, plan: RunPlan) -> bool:
        before, after = self._price(self._reduced), self._price(plan)
        return before is not None and after is not None and after.needed_bytes < before.needed_bytes

    def _best_of(self, kind: RungKind, ways: list[list[RunPlan]]) -> Rung:
        """The least change that fits, of the first way that has one; else the most there is."""
        most = Way(self._plan)
        for steps in ways:
            most = self._way(steps[-1])
            if self._fits(most) is None:
                return self._rung(kind, self._way(steps[0]))
            if self._fits(most):
                return self._rung(kind, self._first_fitting(steps, most))
        return self._rung(kind, most)

    def _first_fitting(self, steps: list[RunPlan], last: Way) -> Way:
        """Halves between the first step and the last, which fits: each needs less memory."""
        low, high, best = 0, len(steps) - 1, last
        while low < high:
            middle = (low + high) // 2
            way = self._way(steps[middle])
            if self._fits(way):
                high, best = middle, way
            else:
                low = middle + 1
        return best

    def _rung(self, kind: RungKind, way: Way) -> Rung:
        return describe(self._question, kind, way)

    def _not_offered(self, kind: RungKind, why: str) -> Rung:
        return Rung(kind=kind, title=rung_words.name(kind), why_not=why)
