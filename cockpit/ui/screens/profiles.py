"""The machines to plan for: pick one, or make one of your own from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from cockpit.core.profiles import HardwareProfile
from cockpit.ui import profile_draft
from cockpit.ui.profile_draft import ProfileDraft
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.dialogs import Question
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.profile_form import ProfileForm, ProfileList, ProfileNotes
from cockpit.ui.widgets.top_bar import TopBar, host_note


class ProfilesScreen(CockpitScreen):
    """Opened over the choice of a run; ``picked`` names the machine to plan for, or none."""

    AUTO_FOCUS = "#profiles"
    CSS_PATH = "profiles.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "use", "Use it", tooltip="Plan for this machine; enter on the list does too"),
        Binding("c", "copy", "Copy", tooltip="A profile of your own from this one"),
        Binding("ctrl+s", "save", "Save", tooltip="Into your own folder of profiles"),
        Binding("tab,shift+tab", "other_side", "List/fields", tooltip="To the other side"),
        Binding("escape", "back", "Back", tooltip="To the plan; drops what is not saved"),
        Binding("r", "runs", "Runs", show=False, tooltip="All runs: attach, stop, show"),
    ]

    def __init__(
        self, profiles: Sequence[HardwareProfile], current: str, folders: Sequence[Path]
    ) -> None:
        super().__init__()
        self._folders = folders
        self._start = current
        self.picked: str | None = None
        self._list = ProfileList(profiles, id="profiles")
        self.draft = ProfileDraft(profiles[0], folders)
        self._form = ProfileForm(self.draft, id="profile")
        self._notes = ProfileNotes(self.draft, id="notes")
        self._saving = False

    def compose(self) -> ComposeResult:
        yield TopBar("Machine to plan for", host_note(self.cockpit.surroundings.remote))
        with Horizontal(id="machines"):
            yield self._list
            yield self._form
        yield self._notes
        yield KeyBar()

    def on_mount(self) -> None:
        self._mark_own()
        self._list.put_cursor(self._start)
        self._show_current()

    @on(CursorList.Moved, "#profiles")
    def _show_current(self) -> None:
        if self.draft.changed and self._list.current.name != self.draft.of:
            self._list.put_cursor(self.draft.of)
            self.cockpit.say("Save the changes first, or escape drops them.", warn=True)
        elif not self.draft.changed:
            self._take(ProfileDraft(self._list.current, self._folders))

    @on(CursorList.Moved, "#profile")
    @on(ProfileForm.Changed)
    def _changed(self) -> None:
        name = self._form.current
        self._notes.about = f"{name}: {profile_draft.about(name)}"
        self._form.redraw()
        self._notes.redraw()
        self.refresh_bindings()

    @on(CursorList.Chosen, "#profiles")
    def action_use(self) -> None:
        if self.draft.changed:
            self.cockpit.say("Save the changes first, or escape drops them.", warn=True)
            return
        self.picked = self._list.current.name
        self.dismiss(None)

    def action_back(self) -> None:
        if not self.draft.changed:
            self.dismiss(None)
            return
        text = f"What was changed of {self.draft.of} is not saved."
        fresh = ProfileDraft(self._list.current, self._folders)
        self.ask(Question("Drop the changes?", text), lambda: self._take(fresh))

    def action_runs(self) -> None:
        self.dismiss(None)
        self.cockpit.call_after_refresh(self.cockpit.action_runs)

    def action_other_side(self) -> None:
        (self._list if self._form.has_focus_within else self._form).focus()

    def action_copy(self) -> None:
        self.draft.copy()
        self._form.focus()
        self._form.move_to(self._form.fields.index("name"))
        self._changed()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "save":
            ready = self.draft.changed and self.draft.problem() is None and not self._saving
            return True if ready else None
        return True

    def action_save(self) -> None:
        self._form.finish()
        if not self.draft.overwrites:
            self._save()
            return
        text = f"{self._folders[-1] / self.draft.name}.toml is one of your own profiles."
        self.ask(Question(f"Write over {self.draft.name}?", text), self._save)

    @work(thread=True, group="save", exclusive=True)
    def _save(self) -> None:
        self.attempt(self.draft.save, self._saved)

    def _saved(self, profile: HardwareProfile) -> None:
        others = [each for each in self._list.profiles if each.name != profile.name]
        self._list.profiles = [*others, profile]
        self._mark_own()
        self._list.put_cursor(profile.name)
        self._show_current()
        self._list.focus()
        self.cockpit.say(f"Saved {profile.name}.")

    def _mark_own(self) -> None:
        folder = self._folders[-1]
        names = (profile.name for profile in self._list.profiles)
        self._list.own = frozenset(name for name in names if (folder / f"{name}.toml").exists())
        self._list.redraw()

    def _take(self, draft: ProfileDraft) -> None:
        self.draft = self._form.draft = self._notes.draft = draft
        self._changed()
