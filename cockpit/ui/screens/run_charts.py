"""What can be done with the Run screen's charts: each key, and when it is offered."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.view import RunView
from cockpit.ui.widgets.curve import Curve
from cockpit.ui.widgets.memory_timeline import MemoryTimeline

ON_THE_CURVE = frozenset({"smooth", "log_axis", "zoom", "show_all", "cursor", "move"})


def _quiet(key: str, action: str, name: str, tooltip: str) -> Binding:
    """Listed in help and palette, not in the key bar: 80 columns do not hold them all."""
    return Binding(key, action, name, tooltip=tooltip, show=False)


CHART_KEYS: list[BindingType] = [
    Binding("M", "memory", "Memory", tooltip="Memory over time in place of the curve, or back"),
    Binding("x", "cursor", "Cursor", tooltip="Read the curve's values; arrows move the cursor"),
    _quiet("m", "smooth", "Smooth", "The training losses smoothed, or as they are"),
    _quiet("y", "log_axis", "Log axis", "A logarithmic axis for the losses, or a linear one"),
    _quiet("plus,equals_sign", "zoom(True)", "Zoom in", "Half as many updates"),
    _quiet("minus", "zoom(False)", "Zoom out", "Twice as many updates"),
    _quiet("0", "show_all", "Whole run", "All updates, after a zoom"),
    _quiet("left", "move(False)", "Left", "Earlier updates, or the cursor to the left"),
    _quiet("right", "move(True)", "Right", "Later updates, or the cursor to the right"),
]


class ChartScreen(CockpitScreen):
    """A screen with a Curve and a MemoryTimeline; its bindings include CHART_KEYS."""

    @staticmethod
    def charts() -> ComposeResult:
        with Container(id="charts"):
            yield Curve(id="curve")
            yield MemoryTimeline(id="timeline")

    @property
    def curve(self) -> Curve:
        return self.query_one(Curve)

    def show_charts(self, view: RunView) -> None:
        self.curve.update_view(view)
        self.query_one(MemoryTimeline).update_view(view)

    def offers_chart(self, action: str) -> bool | None:
        """Whether an action is offered; None if it is none of the charts'."""
        if action == "memory":
            return True
        if action not in ON_THE_CURVE:
            return None
        curve = self.query_one_optional(Curve)
        if curve is None or curve.parent is None or curve.parent.has_class("-memory"):
            return False
        if not curve.has_points:
            return False
        if action == "move":
            return self.curve.zoomed or self.curve.cursor is not None
        return action != "show_all" or self.curve.zoomed

    def action_memory(self) -> None:
        # Of the container, not of the screen: every widget of which would be styled anew.
        self.query_one("#charts").toggle_class("-memory")
        self.refresh_bindings()

    def action_smooth(self) -> None:
        self.curve.turn_smoothing()

    def action_log_axis(self) -> None:
        self.curve.turn_axis()

    def action_zoom(self, inwards: bool) -> None:
        self.curve.zoom(inwards)
        self.refresh_bindings()

    def action_show_all(self) -> None:
        self.curve.show_all()
        self.refresh_bindings()

    def action_cursor(self) -> None:
        self.curve.turn_cursor()
        self.refresh_bindings()

    def action_move(self, right: bool) -> None:
        self.curve.move(right)
