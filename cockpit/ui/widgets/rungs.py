"""The ladder as a list, and what the rung under the cursor would mean."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.core.ladder import Ladder, Rung
from cockpit.ui.spans import Line, Role, heading, line, pad, shorten
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.lines import Lines

VERDICT_WIDTH, SIZE_WIDTH, KIND_WIDTH = 12, 9, 11


class RungList(CursorList):
    """Every rung in its order, those that cannot be taken too: "why not" has an answer."""

    HEAD = 1

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rungs: tuple[Rung, ...] = ()
        self._budget = ""
        self._budget_bytes: int | None = None
        self._waiting = "looking at the ways on…"

    @property
    def total(self) -> int:
        return len(self._rungs)

    @property
    def selected(self) -> Rung | None:
        return self._rungs[self.cursor] if self._rungs else None

    def show_progress(self, done: int) -> None:
        """How many forecasts the prices have taken so far."""
        self._waiting = f"pricing the ways on… {done} forecasts" if done else self._waiting
        self.redraw()

    def show(self, ladder: Ladder) -> None:
        """The ladder with its preselected rung under the cursor."""
        self._rungs = ladder.rungs
        self._waiting = "" if ladder.rungs else "no change of the plan cures this"
        self._budget_bytes = ladder.budget_bytes
        self._budget = f"budget {fmt.gigabytes(ladder.budget_bytes)}"
        self.cursor = ladder.preselected or 0
        self.redraw()
        self.post_message(self.Moved(self))

    def add(self, rung: Rung) -> None:
        """Puts a rung that somebody wrote first, and the cursor on it."""
        kept = tuple(known for known in self._rungs if not known.title.startswith("Edited"))
        self._rungs, self.cursor = (rung, *kept), 0
        self.redraw()
        self.post_message(self.Moved(self))

    def head(self, width: int) -> Sequence[Line]:
        note = line((self._budget, "label")) if self._budget else ()
        title = heading(self.title("Ways on"), note, width)
        return [title]

    def build(self, width: int, height: int) -> Sequence[Line]:
        if not self._rungs:
            return (*self.head(width), line((f"   {self._waiting}", "label")))
        return super().build(width, height)

    def row(self, index: int, width: int) -> Line:
        return rung_row(self._rungs[index], self._budget_bytes, width)


def rung_row(rung: Rung, budget_bytes: int | None, width: int) -> Line:
    """Verdict, title, what it needs (or how much too much that is) and what it costs."""
    sign, word, role = verdict(rung)
    need = rung.forecast.needed_bytes if rung.forecast else None
    over = fmt.excess(need, budget_bytes)
    size = (f"+{over}" if over else fmt.gigabytes(need)) if rung.changes else ""
    kind = ("lossless" if rung.lossless else "changes") if rung.offered else ""
    room = max(10, width - VERDICT_WIDTH - SIZE_WIDTH - KIND_WIDTH - 1)
    shown: Role = "text" if rung.offered else "label"
    return line(
        (pad(f"{sign} {word}", VERDICT_WIDTH), role),
        (pad(title_in(rung, room - 1), room), shown),
        (f"{size:>{SIZE_WIDTH}}", shown),
        (f"  {pad(kind, KIND_WIDTH - 2)}", "good" if rung.lossless else "warn"),
    )


def title_in(rung: Rung, width: int) -> str:
    """The whole title if there is room for it, else the short one."""
    title = fmt.plain(rung.title)
    return shorten(title if len(title) <= width or not rung.short else rung.short, width)


def verdict(rung: Rung) -> tuple[str, str, Role]:
    """A sign, a word and a role: told without colour too."""
    if rung.offered and rung.fits:
        return "✓", "fits", "good"
    if rung.offered and rung.fits is None:
        return "?", "not known", "warn"
    if rung.fits is False:
        return "✗", "too large", "bad"
    return "–", "no", "label"


class RungDetail(Lines):
    """What the chosen rung changes, what follows from that, or why it is not offered."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rung: Rung | None = None
        self._reason = ""

    def show(self, rung: Rung | None, reason: str) -> None:
        """``reason`` says where the budget comes from."""
        self._rung, self._reason = rung, reason
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._rung is None:
            return ()
        head = heading(line((title_in(self._rung, width - 4), "strong")), (), width)
        return [head, *detail_lines(self._rung, self._reason, width)][:height]


def detail_lines(rung: Rung, reason: str, width: int) -> list[Line]:
    """Consequences, or the answer to "why not"; the fields; the budget's source."""
    lines: list[Line] = []
    if rung.why_not:
        lines += _wrapped(f"Not offered: {rung.why_not}.", width, "warn")
    else:
        if rung.below_floor:
            lines += _wrapped("Below the plan's floor: only you may take it.", width, "warn")
        for item in rung.consequences:
            lines += _wrapped(f"· {item}", width, "text")
    if rung.changes:
        fields = ", ".join(f"{name} = {value}" for name, value in rung.changes.items())
        lines += _wrapped(fields, width, "label")
    if reason:
        lines += _wrapped(f"budget: {reason}", width, "label")
    return lines


def _wrapped(text: str, width: int, role: Role) -> list[Line]:
    rows = textwrap.wrap(fmt.plain(text), max(20, width - 3), subsequent_indent="  ")
    return [line((f" {row}", role)) for row in rows]
