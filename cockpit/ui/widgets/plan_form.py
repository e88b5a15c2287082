"""The plan as a form: one line a field, edited in place, checked as it is typed."""

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
from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.plan_fields import KEY_FIELDS, all_fields, field
from cockpit.ui.spans import Line, heading, line, pad, shorten, shorten_path
from cockpit.ui.widgets.cursor_list import CursorList

LABEL_WIDTH = 24
MARK_WIDTH = 2
STARTS_EDIT = frozenset("0123456789-.~")


class PlanForm(CursorList):
    """Arrows move and step; enter edits; a figure typed on a row begins its edit."""

    DEFAULT_CSS = """
    PlanForm > Input {
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

    def __init__(self, draft: PlanDraft, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.draft = draft
        self.fields: tuple[str, ...] = KEY_FIELDS
        # From the checks that need files, by field; the draft's own problems come first.
        self.findings: dict[str, str] = {}
        self.data_note = ""
        self.profile_note = ""
        self._before = ""

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

    def toggle_all(self) -> bool:
        """All fields or the key fields only; returns whether all are shown."""
        name = self.current
        self.fields = all_fields() if self.fields == KEY_FIELDS else KEY_FIELDS
        self.cursor = self.fields.index(name) if name in self.fields else 0
        self.redraw()
        self.post_message(self.Moved(self))
        return self.fields != KEY_FIELDS

    def problem(self, name: str) -> str | None:
        """What is wrong with a field, by its text or by what the files say."""
        return self.draft.problem(name) or self.findings.get(name)

    def about(self, name: str) -> str:
        """What a field means, or why it means nothing now."""
        if name == "learning_rate" and (schedule := self.draft.text("lr_schedule")):
            return f"not used, the rate follows lr_schedule: {schedule}"
        return field(name).about

    def head(self, width: int) -> Sequence[Line]:
        title = "Plan" if self.fields == KEY_FIELDS else "Plan, all fields"
        more = self.total - (self.size.height - self.HEAD)
        note = f"{self.cursor + 1} of {self.total}" if more > 0 else self.data_note
        return [heading(self.title(title), line((fmt.plain(note), "label")), width)]

    def row(self, index: int, width: int) -> Line:
        name = self.fields[index]
        problem = self.problem(name)
        room = width - LABEL_WIDTH - MARK_WIDTH
        sign: Line = line(("✗ ", "bad")) if problem else line("  ")
        shown, hint = self._value(name)
        value = shorten_path(shown, room) if name == "data" else shorten(shown, room)
        return (*sign, *line((pad(name, LABEL_WIDTH), "label"), value, (hint, "label")))

    def _value(self, name: str) -> tuple[str, str]:
        text = fmt.plain(self.draft.text(name))
        if name == "profile":
            return f"‹ {text or 'n/a'} ›", f" {self.profile_note}"
        if field(name).kind in ("choice", "switch"):
            return f"‹ {text} ›", ""
        if name == "epochs":
            lead = "" if self.draft.epochs_lead or not text else "  from iters"
            return text or "n/a", lead
        if name == "iters":
            return text, "  from epochs" if self.draft.epochs_lead else ""
        if name == "learning_rate" and self.draft.text("lr_schedule"):
            return text, "  (lr_schedule)"
        return text or "–", ""

    def action_step(self, direction: int) -> None:
        if not self.editing and self.draft.step(self.current, direction):
            self._changed()

    def action_choose(self) -> None:
        if self.editing:
            self.action_move(1)
        elif field(self.current).kind in ("choice", "switch"):
            self.action_step(1)
        else:
            self.edit(self.draft.text(self.current))

    def edit(self, text: str) -> None:
        """Opens the field under the cursor with ``text`` in it."""
        editor = self._editor
        self._before = self.draft.text(self.current)
        start = 2 + MARK_WIDTH + LABEL_WIDTH
        editor.styles.offset = (start, self.HEAD + self.cursor - self.top)
        editor.styles.width = max(8, self.size.width - start)
        folder = field(self.current).kind == "folder"
        editor.suggester = FolderSuggester() if folder else None
        editor.value = text
        editor.cursor_position = len(text)
        editor.display = True
        self.screen.set_focus(editor)

    @on(Input.Changed, "#editor")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.editing and event.value != self.draft.text(self.current):
            self.draft.set(self.current, event.value)
            self._changed()

    @on(Input.Submitted, "#editor")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.finish()
        self.action_move(1)

    def action_cancel(self) -> None:
        if self.editing:
            self.draft.set(self.current, self._before)
            self.finish()
            self._changed()
        else:
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
            self.draft.set(self.current, character)
            self._changed()

    def _takes_text(self) -> bool:
        return field(self.current).kind in ("number", "folder", "text")

    def _changed(self) -> None:
        self.redraw()
        self.post_message(self.Changed(self.current))
