"""The ways on after a lack of memory: rungs, each a change to the plan with what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cockpit.core.diagnosis import MEMORY_KINDS
from cockpit.core.events import Diagnosis, Recovery
from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan

RungKind = Literal[
    "grad_checkpoint",
    "loss_chunks",
    "batch_size",
    "max_seq_length",
    "long_examples",
    "num_layers",
    "clear_cache_threshold",
]
# What a diagnosis asks for: less memory, fewer buffers, or something that no plan can change.
Cure = Literal["memory", "buffers", "other"]

# As they stand on the ladder: what costs time alone before what costs something learned.
MEMORY_RUNGS: tuple[RungKind, ...] = (
    "grad_checkpoint",
    "loss_chunks",
    "batch_size",
    "max_seq_length",
    "long_examples",
    "num_layers",
)
# The guard's own kind: it stopped the trainer before anything else did.
GUARDED = "guard"


@dataclass(frozen=True, slots=True)
class Rung:
    """One way on.

    ``changes`` are all the plan fields that are not as before, those of rungs above that are part
    of the way included; empty if it cannot be taken. ``fits`` is None where no forecast tells.
    ``why_not`` says why it is not offered; empty for one that is. ``below_floor`` marks one that
    goes below a floor of the plan, so that only a person may take it. ``short`` is the title
    where there is no room for it: its own lever, and how much else is changed.
    """

    kind: RungKind
    title: str
    changes: dict[str, Any] = field(default_factory=dict)
    lossless: bool = False
    consequences: tuple[str, ...] = ()
    forecast: MemoryForecast | None = None
    fits: bool | None = None
    why_not: str = ""
    below_floor: bool = False
    short: str = ""

    @property
    def offered(self) -> bool:
        """Whether it can be taken; one that is not known to fit can."""
        return bool(self.changes) and not self.why_not


@dataclass(frozen=True, slots=True)
class Ladder:
    """All rungs in their order. ``preselected`` is the place of the first that fits.

    ``budget_bytes`` is what a forecast is compared with, and ``budget_reason`` where it comes
    from.
    """

    rungs: tuple[Rung, ...]
    preselected: int | None
    budget_bytes: int | None
    budget_reason: str = ""

    @property
    def chosen(self) -> Rung | None:
        return None if self.preselected is None else self.rungs[self.preselected]

    def rung(self, kind: str) -> Rung | None:
        """The rung of that kind, whether offered or not."""
        return next((rung for rung in self.rungs if rung.kind == kind), None)


def preselect(rungs: tuple[Rung, ...]) -> int | None:
    """The first that fits above the plan's floors, else the first that fits at all."""
    fitting = [place for place, rung in enumerate(rungs) if rung.offered and rung.fits]
    within = [place for place in fitting if not rungs[place].below_floor]
    return next(iter(within or fitting), None)


def cure_of(diagnosis: Diagnosis | None) -> Cure:
    """Which kind of change helps against it."""
    kind = diagnosis.kind if diagnosis else "unknown"
    if kind in MEMORY_KINDS or kind == GUARDED:
        return "memory"
    return "buffers" if kind == "buffer_count" else "other"


def below_floor(before: RunPlan, changes: dict[str, Any]) -> bool:
    """Whether ``changes`` lower ``before`` past a floor that it sets."""
    for name, floor in (
        ("max_seq_length", before.floor_seq_length),
        ("num_layers", before.floor_num_layers),
    ):
        value = changes.get(name)
        if isinstance(value, int) and 0 < value < floor:
            return True
    return False


def cost_in_words(recovery: Recovery) -> str:
    """What a recovery was measured to cost in time; empty while nobody knows."""
    if recovery.slowdown is None:
        return ""
    return f"a token takes {recovery.slowdown:.2f} times as long as before, measured"


def refused(rung: Rung, why: str) -> Rung:
    """The rung as one that cannot be taken, and why."""
    return replace(rung, why_not=why)
