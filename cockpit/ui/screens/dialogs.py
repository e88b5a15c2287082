"""Dialogs: an error that can be read to its end and copied, a question, the list of keys."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from cockpit.core import format as fmt
from cockpit.errors import CockpitError
from cockpit.ui.widgets.key_bar import KeyBar


class Dialog(ModalScreen[bool]):
    """A box over the screen with a title, scrolling text and its keys."""

    CSS_PATH: ClassVar[str] = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("pagedown,space", "scroll(10)", "Page down", show=False),
        Binding("pageup", "scroll(-10)", "Page up", show=False),
    ]

    def __init__(self, title: str, text: str, *, kind: str = "plain") -> None:
        super().__init__(classes=f"dialog -{kind}")
        self._title = fmt.plain(title)
        self._text = "\n".join(fmt.plain_lines(text))

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(self._title), id="title")
            with VerticalScroll(id="scroll", can_focus=False):
                yield Static(Content(self._text), id="text")
            yield KeyBar()

    def on_resize(self, event: events.Resize) -> None:
        """Leaves room for the title, the keys and the frame however long the text is."""
        self.query_one("#scroll").styles.max_height = max(3, event.size.height - 10)

    def action_close(self) -> None:
        self.dismiss(False)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#scroll").scroll_relative(y=lines, animate=False)


class TextDialog(Dialog):
    """Text to read; ``c`` copies it through the terminal (OSC 52), which works over SSH."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "close", "Close"),
        Binding("c", "copy", "Copy"),
    ]

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(f"{self._title}\n{self._text}")
        self.notify("Copied, if this terminal allows it (OSC 52).")


def error_dialog(error: CockpitError) -> TextDialog:
    """The error with what to do about it, last and set apart."""
    remedy = f"→ {error.remedy}" if error.remedy else ""
    text = "\n\n".join(part for part in (error.message, remedy) if part)
    return TextDialog(f"✗ {error.title}", text, kind="error")


class Question(Dialog):
    """Yes or no. Dismisses with True for yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "yes", "Yes"),
        Binding("escape,n", "close", "No"),
    ]

    def __init__(self, title: str, text: str, *, again: str = "") -> None:
        """``again``: the key that opened the question also says yes."""
        super().__init__(title, text, kind="question")
        if again:
            self._bindings.bind(again, "yes", "Yes", show=False)

    def action_yes(self) -> None:
        self.dismiss(True)
