"""A form of one line a field, edited in place: the base of the plan's and the profile's form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from cockpit.core import format as fmt
from cockpit.ui.folder_suggester import FolderSuggester
from cockpit.ui.plan_fields import Kind
from cockpit.ui.spans import Line, line, pad, shorten, width_of
from cockpit.ui.widgets.cursor_list import CursorList

LABEL_WIDTH = 24
MARK_WIDTH = 2
STARTS_EDIT = frozenset("0123456789-.~")


class FieldForm(CursorList):
    """Arrows move and step; enter edits; a figure typed on a row begins its edit."""

    DEFAULT_CSS = """
    FieldForm > Input {
        position: absolute;
        display: none;
        height: 1;
        background: $panel;
        text-style: underline;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,plus,space", "step(1)", "Next value", show=False),
        Binding("left,minus", "step(-1)", "Previous value", show=False),
        Binding("escape", "cancel", "Leave the field as it was", show=False),
    ]

    class Changed(Message):
        """A field has another text."""

        def __init__(self, name: str):
            super().__init__()
            self.name = name

    def __init__(self, fields: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.fields: tuple[str, ...] = tuple(fields)
        self._before = ""

    def text(self, name: str) -> str:
        """The text of a field, right or wrong."""
        raise NotImplementedError

    def set_text(self, name: str, text: str) -> None:
        """Takes a text as typed."""
        raise NotImplementedError

    def step(self, name: str, direction: int) -> bool:
        """Goes to the next value; False where a field has none."""
        raise NotImplementedError

    def kind(self, name: str) -> Kind:
        """How a field is edited."""
        raise NotImplementedError

    def problem(self, name: str) -> str | None:
        """What is wrong with a field, in a few words."""
        raise NotImplementedError

    def shown(self, name: str) -> tuple[str, tuple[str, ...]]:
        """What a row shows: the value, and hints of which as many follow as there is room for."""
        text = fmt.plain(self.text(name))
        return (f"‹ {text} ›" if self.kind(name) in ("choice", "switch") else text or "–"), ()

    def compose(self) -> ComposeResult:
        yield Input(compact=True, id="editor", select_on_focus=False)

    def on_mount(self) -> None:
        self._editor.cursor_blink = False

    @property
    def total(self) -> int:
        return len(self.fields)

    @property
    def current(self) -> str:
        """Name of the field under the cursor."""
        return self.fields[self.cursor]

    @property
    def editing(self) -> bool:
        return self._editor.display

    @property
    def _editor(self) -> Input:
        return self.query_one("#editor", Input)

    def row(self, index: int, width: int) -> Line:
        name = self.fields[index]
        sign: Line = line(("✗ ", "bad")) if self.problem(name) else line("  ")
        value, hints = self.shown(name)
        room = width - LABEL_WIDTH - MARK_WIDTH
        spans = (*sign, *line((pad(name, LABEL_WIDTH), "label"), self.cut(name, value, room)))
        for hint in hints:
            longer = (*spans, (f"  {hint}", "label"))
            if hint is not hints[0] and width_of(longer) > width:
                break
            spans = longer
        return spans

    def cut(self, name: str, value: str, room: int) -> str:
        """``value`` in at most ``room`` cells."""
        return shorten(value, room)

    def action_step(self, direction: int) -> None:
        if not self.editing and self.step(self.current, direction):
            self._changed()

    def action_choose(self) -> None:
        if self.editing:
            self.action_move(1)
        elif self.kind(self.current) in ("choice", "switch"):
            self.action_step(1)
        else:
            self.edit(self.text(self.current))

    def edit(self, text: str) -> None:
        """Opens the field under the cursor with ``text`` in it."""
        editor = self._editor
        self._before = self.text(self.current)
        start = 2 + MARK_WIDTH + LABEL_WIDTH
        editor.styles.offset = (start, self.HEAD + self.cursor - self.top)
        editor.styles.width = max(8, self.size.width - start)
        folder = self.kind(self.current) == "folder"
        editor.suggester = FolderSuggester() if folder else None
        editor.value = text
        editor.cursor_position = len(text)
        editor.display = True
        self.screen.set_focus(editor)

    @on(Input.Changed, "#editor")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.editing and event.value != self.text(self.current):
            self.set_text(self.current, event.value)
            self._changed()

    @on(Input.Submitted, "#editor")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.finish()
        self.action_move(1)

    def action_cancel(self) -> None:
        if self.editing:
            self.set_text(self.current, self._before)
            self.finish()
            self._changed()
        else:
            self.leave()

    def leave(self) -> None:
        """Escape where nothing is edited."""
        self.screen.focus_previous()

    def finish(self) -> None:
        """Closes the editor; what was typed stays."""
        if self.editing:
            had_focus = self._editor.has_focus
            self._editor.display = False
            if had_focus:
                self.screen.set_focus(self)

    def move_to(self, index: int) -> None:
        self.finish()
        super().move_to(index)

    def on_descendant_blur(self) -> None:
        self.finish()

    def on_key(self, event: events.Key) -> None:
        character = event.character or ""
        if self.editing and event.is_printable:
            # Typed so fast that it was on its way here before the editor had the focus.
            event.stop()
            self._editor.insert_text_at_cursor(character)
        elif character and character in STARTS_EDIT and self._takes_text():
            event.stop()
            event.prevent_default()
            self.edit(character)
            self.set_text(self.current, character)
            self._changed()

    def _takes_text(self) -> bool:
        return self.kind(self.current) in ("number", "folder", "text")

    def _changed(self) -> None:
        self.redraw()
        self.post_message(self.Changed(self.current))
