"""A dialog that asks for the path of a file."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from cockpit.ui.folder_suggester import FolderSuggester
from cockpit.ui.widgets.key_bar import KeyBar


class PathDialog(ModalScreen[str]):
    """One path, folders completed as it is typed. Dismisses with it, or with nothing."""

    CSS_PATH: ClassVar[str] = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Take it"),
        Binding("escape", "close", "Leave it"),
    ]

    def __init__(self, title: str, about: str, path: str) -> None:
        super().__init__(classes="dialog -question")
        self._title, self._about, self._path = title, about, path

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(self._title), id="title")
            yield Static(Content(self._about), id="text")
            yield Input(
                self._path,
                id="fields",
                compact=True,
                select_on_focus=False,
                suggester=FolderSuggester(),
            )
            yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def action_submit(self) -> None:
        self.dismiss(self.query_one(Input).value.strip())

    def action_close(self) -> None:
        self.dismiss("")
