"""The dialog in which a way on is written by hand."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from cockpit.ui.widgets.key_bar import KeyBar

HELP = (
    "Fields of the plan, as field=value: batch_size, grad_accumulation_steps, max_seq_length, "
    "num_layers, grad_checkpoint, loss_chunks, long_examples and any other."
)


class RungEditor(ModalScreen[str]):
    """One line of fields. Dismisses with the text, empty if nothing is to change."""

    CSS_PATH: ClassVar[str] = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,ctrl+s", "submit", "Price it", key_display="enter"),
        Binding("escape", "close", "Leave it"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__(classes="dialog -question")
        self._fields = text

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content("Edit this way on"), id="title")
            yield Static(Content(HELP), id="text")
            yield Input(self._fields, id="fields", compact=True, select_on_focus=False)
            yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def action_submit(self) -> None:
        self.dismiss(self.query_one(Input).value.strip())

    def action_close(self) -> None:
        self.dismiss("")
