"""What a plan comes to: what it learns from and how often, and how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cockpit.core import format as fmt
from cockpit.core.plan import RunPlan
from cockpit.system.pace import Pace, brief
from cockpit.ui.spans import Line, Role, line, width_of

NOT_TIMED = "n/a: nothing like it was trained here yet"
TIMES_IT = "t times a few updates"


@dataclass(frozen=True, slots=True)
class Prospects:
    """Of ``plan``; what is not known is None. Tokens are counted as the trainer cuts them.

    ``elsewhere`` tells that the plan is held against another machine: the pace is this one's.
    """

    plan: RunPlan
    examples: int | None = None
    tokens: int | None = None
    cut_share: float | None = None
    pace: Pace | None = None
    elsewhere: bool = False

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


def time_line(found: Prospects | None, width: int, *, stale: bool) -> Line:
    """``time  3m20s · measured by a warm-up of 12 updates · 1.25 s an update``, cut short."""
    return _joined(" time     ", _time_said(found), width, stale=stale)


def data_line(found: Prospects | None, width: int, *, stale: bool) -> Line:
    """``data  2 epochs of 51,200 tokens · 12% cut · 50 updates of 16 · 200 iters``, cut short."""
    said = [(fmt.NOT_AVAILABLE, False)] if found is None else _data_said(found)
    return _joined(" data     ", said, width, stale=stale)


def in_full(found: Prospects) -> str:
    """Both, for a dialog."""
    rows = (("Time", _time_said(found)), ("Data", _data_said(found)))
    return "\n".join(f"{name}: " + ", ".join(text for text, _ in said) for name, said in rows)


def _joined(label: str, said: list[tuple[str, bool]], width: int, *, stale: bool) -> Line:
    told = line((label, "label"))
    for number, (text, important) in enumerate(said):
        role: Role = "strong" if important and not stale else "label"
        more: Line = (*told, (" · " if number else "", "label"), (text, role))
        if number and width_of(more) > width:
            break
        told = more
    return told


def _time_said(found: Prospects | None) -> list[tuple[str, bool]]:
    if found is None:
        return [(fmt.NOT_AVAILABLE, False)]
    if found.pace is None:
        return [(NOT_TIMED, False), (TIMES_IT, False)]
    said = [(fmt.duration(found.seconds), True)]
    if found.elsewhere:
        said.append(("on this machine", False))
    said.append((fmt.plain(found.pace.source), False))
    said.append((f"{brief(found.pace.update_seconds(found.plan))} an update", False))
    return said


def _data_said(found: Prospects) -> list[tuple[str, bool]]:
    plan = found.plan
    said = [(_epochs(found), True)]
    if found.cut_share is not None:
        said.append((_cut(found.cut_share), found.cut_share > 0))
    said.append((f"{fmt.count(plan.updates)} updates of {plan.examples_per_update}", True))
    said.append((f"{fmt.count(plan.iterations)} iters", False))
    if plan.mask_prompt:
        said.append(("answers only", False))
    return said


def _epochs(found: Prospects) -> str:
    epochs = found.epochs
    if epochs is None:
        return "epochs n/a"
    size = f"{fmt.count(found.examples)} examples"
    if found.tokens is not None:
        size = f"{fmt.count(found.tokens)} tokens"
    return f"{epochs:.3g} epoch{'s' * (epochs != 1)} of {size}"


def _cut(share: float) -> str:
    if not share:
        return "none cut"
    return f"{share:.0%} cut" if share >= 0.01 else "under 1% cut"
