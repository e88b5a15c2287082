"""The presets, and what the one under the cursor would change."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from cockpit.core import format as fmt
from cockpit.ui.preset_offers import Offer
from cockpit.ui.spans import Line, line, pad, wrap
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.lines import Lines

TITLE_WIDTH = 26
NAME_WIDTH = 16
# Lines below which there is no room for what a preset is about.
TINY = 14
# A text that is longer is cut: a path, a structure.
VALUE_CELLS = 24
KEPT = "Model, data and everything else stay as they are."


class PresetList(CursorList):
    """One row a preset; the pages are those of the text below."""

    HEAD = 0
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown,space", "screen.scroll(5)", "Page down", show=False),
        Binding("pageup", "screen.scroll(-5)", "Page up", show=False),
    ]

    def __init__(self, offers: Sequence[Offer], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._offers = offers

    @property
    def total(self) -> int:
        return len(self._offers)

    def row(self, index: int, width: int) -> Line:
        offer = self._offers[index]
        number = len(offer.changes)
        changes = f"{number} change{'s' * (number != 1)}" if number else "as it is"
        title, name = pad(offer.preset.title, TITLE_WIDTH), pad(offer.preset.name, NAME_WIDTH)
        return line(title, (name, "label"), (changes, "label"))


class OfferView(Lines):
    """What a preset is for and what it changes; as tall as that takes."""

    def __init__(self, offer: Offer, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.offer = offer

    def redraw(self) -> None:
        lines = self.build(self.size.width, 0)
        if self.styles.height is None or self.styles.height.value != len(lines):
            self.styles.height = len(lines)
        super().redraw()

    def on_resize(self) -> None:
        self.call_next(self.redraw)

    def build(self, width: int, height: int) -> Sequence[Line]:
        about = textwrap.wrap(self.offer.preset.about, max(20, width))
        lines = [line(text) for text in about]
        if self.offer.note:
            note = textwrap.wrap(f"Here: {self.offer.note}.", max(20, width))
            lines += [line((text, "warn")) for text in note]
        lines.append(())
        lines += wrap([_change(*change) for change in self.offer.changes], max(20, width), "   ")
        return [*lines, line((KEPT, "label"))]


class PresetDialog(ModalScreen[Offer]):
    """Dismisses with the offer that was taken, or with nothing."""

    CSS_PATH: ClassVar[str] = "dialogs.tcss"
    DEFAULT_CSS = """
    PresetDialog #presets { margin-bottom: 1; }
    PresetDialog #scroll { scrollbar-gutter: stable; }
    PresetDialog.-tiny #title, PresetDialog.-tiny #scroll { display: none; }
    PresetDialog.-tiny #presets { margin: 0; }
    PresetDialog.-tiny KeyBar { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        # The list takes the enter key for itself, so the bar shows it for the other one.
        Binding("enter,ctrl+s", "take", "Take it", key_display="enter"),
        Binding("escape,p,q", "close", "Leave it"),
    ]

    def __init__(self, offers: Sequence[Offer]) -> None:
        super().__init__(classes="dialog -question")
        self._offers = offers

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content("Presets: plans to start from"), id="title")
            yield PresetList(self._offers, id="presets")
            with VerticalScroll(id="scroll", can_focus=False):
                yield OfferView(self._offers[0], id="offer")
            yield KeyBar()

    def on_resize(self) -> None:
        """Leaves room for title, list, keys and frame however long the text is.

        Where there is next to none, the list alone is left.
        """
        height, rows = self.size.height, len(self._offers)
        self.set_class(height < TINY, "-tiny")
        self.query_one(PresetList).styles.height = max(1, min(rows, height - 2))
        self.query_one("#scroll").styles.max_height = max(3, height - rows - 8)

    @on(CursorList.Moved)
    def _moved(self) -> None:
        view = self.query_one(OfferView)
        view.offer = self._offers[self.query_one(PresetList).cursor]
        view.redraw()
        self.query_one("#scroll").scroll_home(animate=False)

    @on(CursorList.Chosen)
    def action_take(self) -> None:
        self.dismiss(self._offers[self.query_one(PresetList).cursor])

    def action_close(self) -> None:
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#scroll").scroll_relative(y=lines, animate=False)


def _change(name: str, before: str, after: str) -> Line:
    return line((f"{name} ", "label"), f"{_short(before)} → ", (_short(after), "strong"))


def _short(text: str) -> str:
    shown = fmt.plain(text) or "–"
    return shown if len(shown) <= VALUE_CELLS else shown[: VALUE_CELLS - 1] + "…"
