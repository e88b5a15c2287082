"""The machines that a plan can be held against, and the screen to pick or change one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.ui.assessment import Subject, Surroundings
from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.profiles import ProfilesScreen


class Machines:
    """The profiles by name, this machine's first, and which one the draft names."""

    def __init__(self, screen: CockpitScreen, draft: PlanDraft):
        self._screen = screen
        self._draft = draft
        self._profiles: dict[str, HardwareProfile] = {}
        self._folders: list[Path] = []

    @property
    def known(self) -> bool:
        """Whether they were looked for."""
        return bool(self._profiles)

    @property
    def chosen(self) -> HardwareProfile | None:
        """The one that the draft names."""
        return self._profiles.get(self._draft.profile)

    def take(self, found: Surroundings) -> None:
        """Those that were found; the draft's is this machine if its own is gone."""
        self._profiles = {profile.name: profile for profile in found.profiles}
        self._folders = found.profile_folders
        self._draft.profiles = tuple(self._profiles)
        if self._draft.profile not in self._profiles:
            self._draft.profile = next(iter(self._profiles), "")

    def here(self, plan: RunPlan) -> Subject:
        """A plan is launched and timed here, whatever machine it was held against."""
        return Subject(plan, next(iter(self._profiles.values()), None))

    def pick(self, then: Callable[[], object]) -> None:
        """Opens the list of them; ``then`` once it is left."""
        if not self.known:
            return
        profiles = list(self._profiles.values())
        screen = ProfilesScreen(profiles, self._draft.profile, self._folders)

        def left(_: None) -> None:
            self._draft.profile = screen.picked or self._draft.profile
            then()

        self._screen.app.push_screen(screen, left)
