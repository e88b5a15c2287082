"""A list with a cursor: the base of the model list, the plan form and the table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from cockpit.ui.action_names import LIST, named
from cockpit.ui.spans import Line, fit, line, text_of
from cockpit.ui.widgets.lines import Lines


def window(top: int, cursor: int, height: int, total: int) -> int:
    """The first row to show so that ``cursor`` is visible and no room is wasted."""
    top = min(top, cursor)
    top = max(top, cursor - height + 1)
    return max(0, min(top, total - height))


class CursorList(Lines, can_focus=True):
    """Rows come from ``row``; the cursor moves with arrows or vi's keys."""

    BINDINGS: ClassVar[list[BindingType]] = named(
        LIST,
        [
            Binding("up,k", "move(-1)", "Up", show=False),
            Binding("down,j", "move(1)", "Down", show=False),
            Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
            Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
            Binding("home,g", "to_end(-1)", "To the first", show=False),
            Binding("end,G", "to_end(1)", "To the last", show=False),
            Binding("enter", "choose", "Choose", show=False),
        ],
    )
    # Lines above the rows: a heading, column titles.
    HEAD = 1

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, source: CursorList):
            super().__init__()
            self.source = source

        @property
        def control(self) -> CursorList:
            return self.source

    class Chosen(Moved):
        """Enter was pressed on the row of the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = 0
        self.top = 0

    @property
    def total(self) -> int:
        """Number of rows."""
        return 0

    def head(self, width: int) -> Sequence[Line]:
        """The ``HEAD`` lines above the rows."""
        return ()

    def row(self, index: int, width: int) -> Line:
        return ()

    def build(self, width: int, height: int) -> Sequence[Line]:
        rows = height - self.HEAD
        self.cursor = max(0, min(self.cursor, self.total - 1))
        self.top = window(self.top, self.cursor, rows, self.total)
        shown = range(self.top, min(self.total, self.top + rows))
        lines = [self._marked(index, width) for index in shown]
        return [*self.head(width), *lines]

    def _marked(self, index: int, width: int) -> Line:
        """The row with a bar before it, and as a whole in the cursor's colours, if it is there."""
        if index != self.cursor:
            return (("  ", "text"), *self.row(index, width - 2))
        spans = fit(self.row(index, width - 2), width - 2)
        if self.has_focus:
            return (("▌ " + text_of(spans), "cursor"),)
        return (("  " + text_of(spans), "chosen"),)

    def title(self, text: str) -> Line:
        """A heading's title, in brackets while the list has the focus."""
        return line((f"[{text}]", "accent")) if self.has_focus else line((text, "strong"))

    def move_to(self, index: int) -> None:
        """Puts the cursor on a row; tells about it if it was on another."""
        index = max(0, min(index, self.total - 1))
        moved = index != self.cursor
        self.cursor = index
        self.redraw()
        if moved:
            self.post_message(self.Moved(self))

    def action_move(self, step: int) -> None:
        self.move_to(self.cursor + step)

    def action_page(self, direction: int) -> None:
        self.move_to(self.cursor + direction * max(1, self.size.height - self.HEAD - 1))

    def action_to_end(self, direction: int) -> None:
        self.move_to(0 if direction < 0 else self.total - 1)

    def action_choose(self) -> None:
        if self.total:
            self.post_message(self.Chosen(self))

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        index = self.top + event.y - self.HEAD
        if 0 <= index < self.total:
            self.move_to(index)
