"""Changes of the whole plan at once: presets to choose from, and the way back."""

from __future__ import annotations

from collections.abc import Callable

from cockpit.ui import preset_offers
from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.preset_offers import Offer
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.preset_dialog import PresetDialog

Take = Callable[[str, PlanDraft, str], object]


class PlanChanges:
    """``take`` is given a model, a draft and a few words on what was done.

    Undoing is itself a change that can be undone, so nothing typed in between is lost.
    """

    def __init__(self, screen: CockpitScreen, take: Take):
        self._screen = screen
        self._take = take
        self._before: tuple[str, PlanDraft] | None = None

    @property
    def can_undo(self) -> bool:
        return self._before is not None

    def keep(self, model: str, draft: PlanDraft) -> None:
        """Remembers the plan as it is, before it changes as a whole."""
        self._before = (model, draft.copy())

    def undo(self, model: str, draft: PlanDraft) -> None:
        """The plan as it was kept; the one that was there is kept in its place."""
        if self._before is None:
            return
        before = self._before
        self.keep(model, draft)
        self._take(*before, "Undone; u once more takes it back")

    def offer(self, model: str, draft: PlanDraft) -> None:
        """Opens the list of presets; the one that is chosen changes the plan."""
        copied = draft.copy()

        def chosen(offer: Offer | None) -> None:
            if offer is not None:
                self.keep(model, draft)
                said = f"{offer.preset.title}: {len(offer.changes)} changes; u takes them back"
                self._take(model, offer.draft, said)

        def show(offers: list[Offer]) -> None:
            self._screen.app.push_screen(PresetDialog(offers), chosen)

        def work() -> None:
            self._screen.attempt(lambda: preset_offers.offers(copied, model), show)

        self._screen.run_worker(work, thread=True, group="presets", exclusive=True)
