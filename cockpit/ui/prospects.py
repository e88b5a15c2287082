"""What a plan comes to: how much it learns from, how often, and how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cockpit.core import format as fmt
from cockpit.core.plan import RunPlan
from cockpit.system.pace import Pace
from cockpit.ui.spans import Line, Role, line, width_of


@dataclass(frozen=True, slots=True)
class Prospects:
    """Of ``plan``; what is not known is None. Tokens are counted as the trainer cuts them."""

    plan: RunPlan
    examples: int | None = None
    tokens: int | None = None
    cut_share: float | None = None
    pace: Pace | None = None

    @property
    def epochs(self) -> float | None:
        seen = self.plan.updates * self.plan.examples_per_update
        return seen / self.examples if self.examples else None

    @property
    def seconds(self) -> float | None:
        return self.pace.seconds(self.plan) if self.pace is not None else None


def counted(plan: RunPlan, lengths: Sequence[int]) -> tuple[int, float]:
    """Tokens in an epoch, and the share of examples that lose some; ``lengths`` are uncut."""
    if plan.long_examples == "split":
        return sum(lengths), 0.0
    most = plan.max_seq_length
    over = sum(length > most for length in lengths)
    return sum(min(length, most) for length in lengths), over / max(1, len(lengths))


def prospects_line(found: Prospects | None, width: int, *, stale: bool) -> Line:
    """``run  50 updates of 8, 1 epoch · time 3m20s · 51,200 tokens/epoch · 12% cut``, cut short."""
    told = line((" run      ", "label"))
    if found is None:
        return (*told, (fmt.NOT_AVAILABLE, "label"))
    for number, (text, important) in enumerate(_said(found)):
        role: Role = "strong" if important and not stale else "label"
        more: Line = (*told, (" · " if number else "", "label"), (text, role))
        if width_of(more) > width:
            break
        told = more
    return told


def _said(found: Prospects) -> list[tuple[str, bool]]:
    plan, epochs = found.plan, found.epochs
    shown = "epochs n/a" if epochs is None else f"{epochs:.3g} epoch{'s' * (epochs != 1)}"
    said = [
        (f"{fmt.count(plan.updates)} updates of {plan.examples_per_update}, {shown}", True),
        (f"time {fmt.duration(found.seconds)}", found.seconds is not None),
    ]
    if found.cut_share is not None:
        said.append((_cut(found.cut_share), False))
    if found.tokens is not None:
        said.append((f"{fmt.count(found.tokens)} tokens/epoch", False))
    if found.pace is not None:
        other = "" if found.pace.same_data else ", on other data"
        said.append((f"as {fmt.plain(found.pace.run)} went{other}", False))
    return said


def _cut(share: float) -> str:
    if not share:
        return "none cut"
    return f"{share:.0%} cut" if share >= 0.01 else "under 1% cut"
