"""The plan as a form: checked as it is typed, with what fits beside the fields that decide it."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.plan_fields import KEY_FIELDS, Kind, all_fields, field
from cockpit.ui.spans import Line, heading, line, shorten_path
from cockpit.ui.widgets.field_form import FieldForm


class PlanForm(FieldForm):
    """The key fields, or all of them."""

    def __init__(self, draft: PlanDraft, *, id: str | None = None) -> None:
        super().__init__(KEY_FIELDS, id=id)
        self.draft = draft
        # From the checks that need files, by field; the draft's own problems come first.
        self.findings: dict[str, str] = {}
        # What fits, beside the fields that decide it.
        self.hints: dict[str, tuple[str, ...]] = {}
        self.data_note = ""
        self.profile_note = ""

    def toggle_all(self) -> bool:
        """All fields or the key fields only; returns whether all are shown."""
        name = self.current
        self.fields = all_fields() if self.fields == KEY_FIELDS else KEY_FIELDS
        self.cursor = self.fields.index(name) if name in self.fields else 0
        self.redraw()
        self.post_message(self.Moved(self))
        return self.fields != KEY_FIELDS

    def text(self, name: str) -> str:
        return self.draft.text(name)

    def set_text(self, name: str, text: str) -> None:
        self.draft.set(name, text)

    def step(self, name: str, direction: int) -> bool:
        return self.draft.step(name, direction)

    def kind(self, name: str) -> Kind:
        return field(name).kind

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

    def shown(self, name: str) -> tuple[str, tuple[str, ...]]:
        value, hints = self._value(name)
        return value, (*hints, *self.hints.get(name, ()))

    def _value(self, name: str) -> tuple[str, tuple[str, ...]]:
        text = fmt.plain(self.draft.text(name))
        if name == "profile":
            return f"‹ {text or 'n/a'} ›", (self.profile_note,)
        if name == "epochs":
            return text or "n/a", ("from iters",) if text and not self.draft.epochs_lead else ()
        if name == "iters":
            return text, ("from epochs",) if self.draft.epochs_lead else ()
        if name == "learning_rate" and self.draft.text("lr_schedule"):
            return text, ("(lr_schedule)",)
        return super().shown(name)

    def cut(self, name: str, value: str, room: int) -> str:
        return shorten_path(value, room) if name == "data" else super().cut(name, value, room)
