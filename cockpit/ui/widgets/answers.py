"""The two answers to a question, which scroll while they grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from cockpit.core import format as fmt
from cockpit.ui.exchange import Exchange, layout, wrapped
from cockpit.ui.spans import Line, line, spread
from cockpit.ui.widgets.lines import Lines


class Answers(Lines, can_focus=True):
    """Follows what is written until somebody scrolls, and again once they are at its end."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("home,g", "scroll(-1_000_000)", "To the start", show=False),
        Binding("end,G", "scroll(1_000_000)", "To the end", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._exchange: Exchange | None = None
        self._about: list[str] = []
        self._top: int | None = None
        self._shown_top = self._last_top = 0

    def wait(self, *about: str) -> None:
        """Nothing was asked yet: says what could be."""
        self._exchange, self._about = None, list(about)
        self.redraw()

    def show(self, exchange: Exchange) -> None:
        self._exchange, self._top = exchange, None
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._exchange is None:
            rows = [row for text in self._about for row in wrapped(text, width - 2)]
            return [line((f" {row}", "label")) for row in rows]
        found = layout(self._exchange, width)
        room = max(1, height - len(found.head))
        self._last_top = max(0, len(found.body) - room)
        top = max(0, found.newest - room + 1) if self._top is None else self._top
        self._shown_top = top = min(top, self._last_top)
        head = list(found.head)
        if self._last_top:
            end = min(top + room, len(found.body))
            note = f"  rows {top + 1}-{end} of {fmt.count(len(found.body))} "
            head[0] = spread(head[0], line((note, "label")), width)
        return [*head, *found.body[top : top + room]]

    def action_scroll(self, rows: int) -> None:
        top = max(0, min(self._shown_top + rows, self._last_top))
        self._top = None if rows > 0 and top == self._last_top else top
        self.redraw()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.redraw()
