"""A dialog that asks for one of a run's checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from cockpit.ui.spans import Line, heading, line
from cockpit.ui.trying import Offer
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.key_bar import KeyBar

MOST_ROWS = 14


class CheckpointList(CursorList):
    """The latest, the best, and every one by its update."""

    def __init__(self, offers: Sequence[Offer], chosen: str) -> None:
        super().__init__(id="offers")
        self._offers = offers
        asked = [offer.asked for offer in offers]
        self.cursor = asked.index(chosen) if chosen in asked else 0

    @property
    def total(self) -> int:
        return len(self._offers)

    @property
    def selected(self) -> Offer:
        return self._offers[self.cursor]

    def head(self, width: int) -> Sequence[Line]:
        return [heading(self.title("Checkpoint"), (), width)]

    def row(self, index: int, width: int) -> Line:
        return line(str(self._offers[index]))


class CheckpointDialog(ModalScreen[str]):
    """Dismisses with ``latest``, ``best`` or an update; with nothing if none is to be taken."""

    CSS_PATH: ClassVar[str] = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        # The list takes the enter key for itself, so the bar shows it for the other one.
        Binding("enter,ctrl+s", "take", "Take it", key_display="enter"),
        Binding("escape", "close", "Leave it"),
    ]

    def __init__(self, offers: Sequence[Offer], chosen: str) -> None:
        super().__init__(classes="dialog -question")
        self._list = CheckpointList(offers, chosen)
        self._list.styles.height = min(MOST_ROWS, len(offers)) + CursorList.HEAD

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield self._list
            yield KeyBar()

    def on_mount(self) -> None:
        self._list.focus()

    @on(CursorList.Chosen, "#offers")
    def action_take(self) -> None:
        self.dismiss(self._list.selected.asked)

    def action_close(self) -> None:
        self.dismiss("")
