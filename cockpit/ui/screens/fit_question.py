"""Before a launch that is not expected to fit: the cheapest fit, launch anyway, or back."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from cockpit.ui.fitting import NO_CHANGE
from cockpit.ui.screens.dialogs import Dialog


class FitQuestion(Dialog):
    """Dismisses with True to launch: the plan as it is if ``anyway``, else the one that fits."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,x", "take_fit", "Launch what fits"),
        Binding("a", "launch_anyway", "Launch anyway"),
        Binding("escape,n,b", "close", "Back"),
    ]

    def __init__(self, said: str, fit: str | None) -> None:
        """``fit`` is the cheapest change that fits, in words; None if there is none."""
        offer = f"This fits:\n  {fit}" if fit is not None else f"{NO_CHANGE.capitalize()}."
        super().__init__("The plan is not expected to fit", f"{said}\n\n{offer}", kind="question")
        self._can_fit = fit is not None
        self.anyway = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._can_fit if action == "take_fit" else True

    def action_take_fit(self) -> None:
        self.dismiss(True)

    def action_launch_anyway(self) -> None:
        self.anyway = True
        self.dismiss(True)
