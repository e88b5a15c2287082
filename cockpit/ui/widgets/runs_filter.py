"""Where the list of runs is narrowed by typing; it takes a line while it is used."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class RunsFilter(Input):
    """Enter and down keep what was typed and lead to the list; escape forgets it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down", "leave", "To the list", key_display="enter"),
        Binding("escape", "clear", "Show all"),
    ]

    class Left(Message):
        """The list is wanted."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            compact=True, id=id, placeholder="name, model, status or #tag", select_on_focus=False
        )
        self.cursor_blink = False

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_clear(self) -> None:
        self.value = ""
        self.post_message(self.Left())
