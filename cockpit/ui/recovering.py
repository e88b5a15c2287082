"""Recovery from the interface: what ended a run, its ways on with their prices, taking one.

Everything here reads files or forecasts: call it in a worker thread. The forecasting process
lives inside ``price`` and ``edited`` alone, so that it is gone before anything trains.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cockpit.core.format import gigabytes
from cockpit.core.ladder import Ladder, Rung, cure_of
from cockpit.errors import CockpitError
from cockpit.system import death, hardware, observe
from cockpit.system.run_dir import RunDir

if TYPE_CHECKING:
    from cockpit.core.forecast import MemoryForecast
    from cockpit.core.plan import RunPlan
    from cockpit.core.run_state import RunState
    from cockpit.memory.oracle import Oracle
    from cockpit.memory.situation import Situation
    from cockpit.ui.tracing import Tracer


@dataclass(frozen=True, slots=True)
class Ways:
    """A run that ended and its ladder; None while that is being priced."""

    situation: Situation
    ladder: Ladder | None = None


def wants_recovery(run: RunDir, state: RunState | None = None) -> bool:
    """Whether the run ended for a reason that another plan can cure."""
    diagnosis = death.diagnosis_of(run, state or observe.current_state(run))
    return diagnosis is not None and cure_of(diagnosis) != "other"


def examine(run: RunDir) -> Ways:
    """What ended the run; CockpitError if nothing did, or it cannot go on."""
    from cockpit.memory import situation

    return Ways(situation.examine(run))


def price(ways: Ways, forecast_next: Callable[[int], object]) -> Ways:
    """The same with its ladder. Takes seconds; tells before each forecast how many there were."""
    from cockpit.memory import recovery
    from cockpit.memory.oracle import limits_of

    situation = ways.situation
    with _oracle(situation) as oracle:
        limits = limits_of(situation.plan, use_data=True)
        done = itertools.count()

        def ask(plan: RunPlan) -> MemoryForecast:
            forecast_next(next(done))
            return oracle.price(plan)

        ladder = recovery.ladder(situation, ask, limits, oracle.lengths)
    return Ways(situation, ladder)


def edited(ways: Ways, text: str) -> Rung:
    """The way on that ``text`` describes, as ``field=value field=value``, priced. Takes seconds.

    CockpitError names a field or a value that is wrong.
    """
    from cockpit.memory import recovery
    from cockpit.memory.oracle import limits_of

    changes, situation = fields_of(text), ways.situation
    budget = ways.ladder.budget_bytes if ways.ladder is not None else None
    with _oracle(situation) as oracle:
        limits = limits_of(situation.plan, use_data=True)
        rung = recovery.custom(situation, changes, oracle.price, budget, limits, oracle.lengths)
    return replace(rung, title=f"Edited: {text}", short="")


def fields_of(text: str) -> dict[str, Any]:
    """The plan fields written as ``field=value``; CockpitError for anything else."""
    changes: dict[str, Any] = {}
    for word in text.split():
        name, found, value = word.partition("=")
        if not found or not name or not value:
            raise CockpitError(
                "The change was not understood",
                f"{word!r} is not field=value",
                "Write the plan's fields like this: batch_size=2 max_seq_length=1025",
            )
        changes[name.lstrip("-").replace("-", "_")] = _value(value)
    return changes


def _value(text: str) -> Any:
    try:
        return json.loads(text.lower())
    except ValueError:
        return text


def text_of_changes(rung: Rung) -> str:
    """The fields of the ladder that a rung changes, as ``fields_of`` reads them."""
    levers = ("batch_size", "grad_accumulation_steps", "max_seq_length", "num_layers")
    shown = (*levers, "grad_checkpoint", "loss_chunks", "long_examples", "clear_cache_threshold")
    return " ".join(f"{n}={_word(rung.changes[n])}" for n in shown if n in rung.changes)


def in_words(ways: Ways) -> str:
    """All the evidence, the remedy, and of each way why it is offered or not."""
    found = ways.situation.diagnosis
    parts = ["\n".join(found.evidence), f"→ {found.remedy}" if found.remedy else ""]
    if ways.ladder is not None:
        parts.append(f"Budget: {gigabytes(ways.ladder.budget_bytes)} ({ways.ladder.budget_reason})")
        parts += [_rung_in_words(rung) for rung in ways.ladder.rungs]
    return "\n\n".join(part for part in parts if part)


def _rung_in_words(rung: Rung) -> str:
    lines = [rung.title]
    if rung.forecast is not None:
        lines.append(f"  forecast {gigabytes(rung.forecast.needed_bytes)}")
    lines += [f"  not offered: {rung.why_not}"] if rung.why_not else []
    lines += [f"  {said}" for said in rung.consequences]
    return "\n".join(lines)


def take(ways: Ways, rung: Rung | None, tracer: Tracer) -> RunDir:
    """Goes on with ``rung``, or as it was without one; CockpitError if that fails."""
    from cockpit.memory import recovery

    tracer.close()
    budget = ways.ladder.budget_bytes if ways.ladder is not None else None
    recovery.take(ways.situation, rung, budget_bytes=budget)
    return ways.situation.run


@contextmanager
def _oracle(situation: Situation) -> Iterator[Oracle]:
    from cockpit.memory.oracle import Oracle

    with Oracle(hardware.this_machine(), adapted_layers=situation.adapted_layers) as oracle:
        yield oracle


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
