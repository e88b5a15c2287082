"""What fits a budget: the largest values, the cheapest change, the price of each lever.

Pure searches over a function that forecasts a plan. Each takes few forecasts, because one may be
a trace of seconds, and names only values that were themselves forecast and found to fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan

Ask = Callable[[RunPlan], MemoryForecast | None]
Lever = Literal["batch_size", "max_seq_length", "num_layers"]

LEVERS: tuple[Lever, ...] = ("batch_size", "max_seq_length", "num_layers")
PAD_TO = 32  # batches are padded to one more than a multiple of it
MOST_EXAMPLES = 256
MOST_TOKENS = 32_768
# The ladder halves the sequence length no further than this, and the layers after it.
SHORTEST_TOKENS = 256

# What counts in iterations, which are micro-batches: it grows as the accumulation does.
_IN_ITERATIONS = ("iters", "steps_per_report", "steps_per_eval", "save_every")
_ALONG = frozenset({*_IN_ITERATIONS, "val_batches", "test_batches"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a search may go: blocks of the model, examples to batch, positions it knows."""

    layers: int | None
    examples: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest value that fits, with its forecast; None if not even the smallest does.

    ``at_limit`` tells that the search ended at what model and data allow, not at the budget.
    """

    lever: Lever
    asked: int
    value: int | None
    forecast: MemoryForecast | None
    at_limit: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A plan made to fit, and what of it is not as asked."""

    plan: RunPlan
    forecast: MemoryForecast
    fields: dict[str, Any]

    def flags(self) -> str:
        """The change as flags of ``cockpit train``."""
        return " ".join(_flag(name, value) for name, value in self.fields.items())

    @property
    def label(self) -> str:
        """The change in words, without the counts of micro-batches that only grow along."""
        return label_of({name: self.fields[name] for name in self.fields if name not in _ALONG})


@dataclass(frozen=True, slots=True)
class LeverCost:
    """What one change adds to the peak; negative saves."""

    fields: dict[str, Any]
    bytes_added: int

    @property
    def label(self) -> str:
        return label_of(self.fields)


@dataclass(frozen=True, slots=True)
class _Scale:
    """The values of a lever: ``step * index + offset`` for an index of 1 to ``most``."""

    step: int
    offset: int
    most: int

    def value(self, index: int) -> int:
        return self.step * index + self.offset

    def index(self, value: int) -> int:
        return max(1, min((value - self.offset) // self.step, self.most))


def largest(
    ask: Ask, plan: RunPlan, lever: Lever, budget_bytes: int, limits: Limits
) -> Largest | None:
    """The largest value of ``lever`` inside the budget, the rest of the plan as it is.

    None if there is no forecast, or the model's depth is not known.
    """
    asked = _asked(plan, lever, limits)
    scale = _scale(plan, lever, limits)
    if asked is None or scale is None:
        return None
    prices: dict[int, MemoryForecast] = {}

    def price(index: int) -> int | None:
        if index not in prices:
            found = ask(plan.with_changes(**{lever: scale.value(index)}))
            if found is None:
                return None
            prices[index] = found
        return prices[index].needed_bytes

    best = _search(price, scale.index(asked), scale.most, budget_bytes)
    if best is None:
        return None
    if best == 0:
        return Largest(lever, asked, None, None)
    return Largest(lever, asked, scale.value(best), prices[best], best == scale.most)


def _search(
    price: Callable[[int], int | None], start: int, most: int, budget_bytes: int
) -> int | None:
    """The largest index within the budget, 0 if none is; None where a price is unknown.

    Strides from ``start`` until the budget is between two prices, then interpolates: memory is
    nearly linear in every lever, so that takes a few prices where halving takes ten.
    """
    low, high, index = (0, 0), (most + 1, 0), start
    halve = False
    while low[0] + 1 < high[0]:
        found = price(index)
        if found is None:
            return None
        if found <= budget_bytes:
            low = (index, found)
        else:
            high = (index, found)
        if high[0] > most:
            index = min(2 * index, most)
        elif low[0] == 0:
            index = max(1, high[0] // 2)
        else:
            index = _between(low, high, budget_bytes, halve)
            halve = not halve
    return low[0]


def _between(low: tuple[int, int], high: tuple[int, int], budget: int, halve: bool) -> int:
    if halve or high[1] <= low[1]:
        return (low[0] + high[0]) // 2
    guess = low[0] + (budget - low[1]) * (high[0] - low[0]) // (high[1] - low[1])
    return max(low[0] + 1, min(guess, high[0] - 1))


def _asked(plan: RunPlan, lever: Lever, limits: Limits) -> int | None:
    if lever != "num_layers":
        return int(getattr(plan, lever))
    if limits.layers is None:
        return plan.num_layers if plan.num_layers > 0 else None
    return limits.layers if plan.num_layers < 1 else min(plan.num_layers, limits.layers)


def _scale(plan: RunPlan, lever: Lever, limits: Limits) -> _Scale | None:
    if lever == "batch_size":
        examples = limits.examples or MOST_EXAMPLES
        most = examples // plan.grad_accumulation_steps
        return _Scale(1, 0, max(1, min(most, MOST_EXAMPLES)))
    if lever == "max_seq_length":
        return _Scale(PAD_TO, 1, max(1, min(limits.tokens or MOST_TOKENS, MOST_TOKENS) // PAD_TO))
    return _Scale(1, 0, limits.layers) if limits.layers else None


def cheapest(ask: Ask, plan: RunPlan, budget_bytes: int, limits: Limits) -> Change | None:
    """The first step of ``ladder`` that fits; None if none does, or nothing is known.

    Each step needs less memory than those before, so only a few are forecast: this judges a whole
    catalogue, where ``rungs.cheapest`` finds what is best for one plan with five times as many.
    """
    rungs = list(ladder(plan, limits))
    fitting: tuple[RunPlan, MemoryForecast] | None = None
    low, high = 0, len(rungs) - 1
    while low <= high:
        # The last rung first: most plans that never fit are known at once.
        middle = high if fitting is None else (low + high) // 2
        found = ask(rungs[middle])
        if found is None:
            return None
        if found.fits(budget_bytes):
            fitting, high = (rungs[middle], found), middle - 1
        elif fitting is None:
            return None
        else:
            low = middle + 1
    if fitting is None:
        return None
    chosen, forecast = fitting
    return Change(chosen, forecast, changed(plan, chosen))


def ladder(plan: RunPlan, limits: Limits) -> Iterator[RunPlan]:
    """Plans that need less and less, the least painful change first; each keeps those before.

    Recomputing activations costs time alone, smaller micro-batches change nothing that is
    learned; shorter examples and fewer layers do.
    """
    if not plan.grad_checkpoint:
        plan = plan.with_changes(grad_checkpoint=True)
        yield plan
    while plan.batch_size > 1:
        plan = split_batch(plan)
        yield plan
    while plan.max_seq_length - 1 > SHORTEST_TOKENS:
        half = (plan.max_seq_length - 1) // 2
        plan = plan.with_changes(max_seq_length=max(SHORTEST_TOKENS, half // PAD_TO * PAD_TO) + 1)
        yield plan
    layers = _asked(plan, "num_layers", limits) or 1
    while layers > 1:
        layers //= 2
        plan = plan.with_changes(num_layers=layers)
        yield plan


def split_batch(plan: RunPlan) -> RunPlan:
    """The same updates on the same examples in more, smaller micro-batches.

    What mlx-lm counts in iterations or in validation batches grows along.
    """
    factor = next(n for n in range(2, plan.batch_size + 1) if plan.batch_size % n == 0)
    changes: dict[str, Any] = {
        "batch_size": plan.batch_size // factor,
        "grad_accumulation_steps": plan.grad_accumulation_steps * factor,
    }
    changes |= {name: getattr(plan, name) * factor for name in _IN_ITERATIONS}
    if plan.val_batches > 0:
        changes["val_batches"] = plan.val_batches * factor
    if plan.test and plan.test_batches > 0:
        changes["test_batches"] = plan.test_batches * factor
    return plan.with_changes(**changes)


def changed(before: RunPlan, after: RunPlan) -> dict[str, Any]:
    """The fields of ``after`` that are not as in ``before``."""
    old, new = before.model_dump(), after.model_dump()
    return {name: new[name] for name in new if new[name] != old[name]}


def lever_costs(ask: Ask, plan: RunPlan, limits: Limits) -> list[LeverCost]:
    """What each lever, moved one notch from where the plan has it, adds to the peak."""
    now = ask(plan)
    costs = []
    for fields in _notches(plan, limits) if now is not None else ():
        found = ask(plan.with_changes(**fields))
        if found is not None and now is not None:
            costs.append(LeverCost(fields, found.peak_bytes - now.peak_bytes))
    return costs


def _notches(plan: RunPlan, limits: Limits) -> Iterator[dict[str, Any]]:
    yield {"grad_checkpoint": not plan.grad_checkpoint}
    if plan.batch_size > 1:
        yield {"batch_size": plan.batch_size // 2}
    yield {"batch_size": plan.batch_size * 2}
    half = (plan.max_seq_length - 1) // 2 // PAD_TO * PAD_TO + 1
    if half > PAD_TO:
        yield {"max_seq_length": half}
    layers = _asked(plan, "num_layers", limits)
    if layers is not None and layers > 1:
        yield {"num_layers": layers // 2}
    if layers is not None and limits.layers is not None and layers < limits.layers:
        yield {"num_layers": min(2 * layers, limits.layers)}
    if plan.fine_tune_type != "full":
        lora = plan.model_dump(exclude_unset=True).get("lora_parameters", {})
        yield {"lora_parameters": lora | {"rank": 2 * plan.lora_parameters.rank}}


def label_of(fields: dict[str, Any]) -> str:
    """``grad_checkpoint on, batch_size 2``."""
    return ", ".join(f"{name} {_word(value)}" for name, value in fields.items())


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"rank {value['rank']}" if isinstance(value, dict) else str(value)


def _flag(name: str, value: Any) -> str:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return flag if value else flag.replace("--", "--no-", 1)
    return f"{flag} {value}"
