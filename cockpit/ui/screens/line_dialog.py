"""A dialog that asks for one line of text: a path, or fields of a plan."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Static

from cockpit.ui.widgets.key_bar import KeyBar

# Rows of the terminal from which on there is more than the field.
ROOM_FOR_WORDS = 12


class LineDialog(ModalScreen[str]):
    """Dismisses with the text as it was left, or with nothing if it is not to be taken."""

    CSS_PATH: ClassVar[str] = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        # The input takes the enter key for itself, so the bar shows it for the other one.
        Binding("enter,ctrl+s", "submit", "Take it", key_display="enter"),
        Binding("escape", "close", "Leave it"),
    ]

    def __init__(
        self, title: str, about: str, text: str, *, suggester: Suggester | None = None
    ) -> None:
        super().__init__(classes="dialog -question")
        self._title, self._about, self._text = title, about, text
        self._suggester = suggester

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(self._title), id="title")
            yield Static(Content(self._about), id="text")
            yield Input(
                self._text,
                id="fields",
                compact=True,
                select_on_focus=False,
                suggester=self._suggester,
            )
            yield KeyBar()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < ROOM_FOR_WORDS, "-flat")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def action_submit(self) -> None:
        self.dismiss(self.query_one(Input).value.strip())

    def action_close(self) -> None:
        self.dismiss(None)
