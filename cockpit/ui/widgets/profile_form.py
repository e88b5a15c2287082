"""The profiles to choose from, and one of them as a form."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.core.profiles import HardwareProfile
from cockpit.ui import profile_draft
from cockpit.ui.plan_fields import Kind
from cockpit.ui.profile_draft import FIELDS, ProfileDraft
from cockpit.ui.spans import Line, heading, line, pad, width_of
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.field_form import FieldForm
from cockpit.ui.widgets.lines import Lines


class ProfileList(CursorList):
    """Names and budgets; the user's own are marked."""

    def __init__(self, profiles: Sequence[HardwareProfile], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.profiles = list(profiles)
        self.own: frozenset[str] = frozenset()

    @property
    def total(self) -> int:
        return len(self.profiles)

    @property
    def current(self) -> HardwareProfile:
        """The profile under the cursor."""
        return self.profiles[self.cursor]

    def put_cursor(self, name: str) -> None:
        """Moves the cursor to a profile, if it is there."""
        names = [profile.name for profile in self.profiles]
        self.move_to(names.index(name) if name in names else self.cursor)

    def head(self, width: int) -> Sequence[Line]:
        return [heading(self.title("Machine"), line((str(self.total), "label")), width)]

    def row(self, index: int, width: int) -> Line:
        profile = self.profiles[index]
        budget = line((f" {fmt.gigabytes(profile.budget_bytes)}", "label"))
        room = width - width_of(budget) - 2
        mark = "* " if profile.name in self.own else "  "
        return (*line((mark, "accent"), pad(fmt.plain(profile.name), room)), *budget)


class ProfileForm(FieldForm):
    """One profile, edited in place."""

    def __init__(self, draft: ProfileDraft, *, id: str | None = None) -> None:
        super().__init__(FIELDS, id=id)
        self.draft = draft

    def head(self, width: int) -> Sequence[Line]:
        note = line(("changed", "warn")) if self.draft.changed else ()
        return [heading(self.title("Profile"), note, width)]

    def text(self, name: str) -> str:
        return self.draft.text(name)

    def set_text(self, name: str, text: str) -> None:
        self.draft.set(name, text)

    def step(self, name: str, direction: int) -> bool:
        return self.draft.step(name, direction)

    def kind(self, name: str) -> Kind:
        return profile_draft.kind(name)

    def problem(self, name: str) -> str | None:
        found = self.draft.problem()
        return found[1].title if found is not None and found[0] == name else None


class ProfileNotes(Lines):
    """What a run may use, what is wrong, and what the field under the cursor means."""

    def __init__(self, draft: ProfileDraft, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.draft = draft
        self.about = ""

    def build(self, width: int, height: int) -> Sequence[Line]:
        found = self.draft.problem()
        return [
            heading(line(("What a run may use", "strong")), (), width),
            _budget(self.draft.preview()),
            line((f" ✗ {fmt.plain(_reason(found[1].message))}", "bad")) if found else (),
            line((f" {fmt.plain(self.about)}", "label")),
        ]


def _budget(profile: HardwareProfile | None) -> Line:
    if profile is None:
        return line((" budget   ", "label"), (fmt.NOT_AVAILABLE, "label"))
    working_set = profile.metal_working_set_bytes
    limited = working_set is not None and profile.budget_bytes == working_set
    why = "Metal's working set" if limited else "its memory less what the system keeps"
    budget = fmt.gigabytes(profile.budget_bytes)
    return line((" budget   ", "label"), (budget, "strong"), (f"  {why}", "label"))


def _reason(message: str) -> str:
    return message.partition(": ")[2] if message.startswith("profile ") else message
