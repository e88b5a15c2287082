"""The keys that work now: wrapped onto as many lines as they need, repainted when they change.

Textual's own Footer has one line, which 80 columns do not fit, and is built anew with every
change of focus.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding
from textual.screen import Screen

from cockpit.ui.spans import Line, line, wrap
from cockpit.ui.widgets.lines import Lines

MOST_LINES = 3
TABS = ("tab", "shift+tab")


class KeyBar(Lines):
    """Docked at the bottom of a screen; as tall as its keys need."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._found: list[Line] | None = None

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if self.is_attached and screen is self.screen:
            self.call_next(self.redraw)

    def on_resize(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        if not self.is_attached or not self.app.screen_stack:
            return  # the app is closing
        self._found = self._items()
        lines = self.build(self.size.width or self.app.size.width, MOST_LINES)
        if self.styles.height is None or self.styles.height.value != len(lines):
            self.styles.height = len(lines)
            self._lift_notices(len(lines))
        super().redraw()

    def _lift_notices(self, height: int) -> None:
        """Notices stand on the keys, not over them: Textual's are made for one line of keys."""
        for rack in self.screen.query("ToastRack"):
            rack.styles.margin = (0, 0, height, 0)

    def build(self, width: int, height: int) -> Sequence[Line]:
        found = self._items() if self._found is None else self._found
        return [(*line(" "), *row) for row in wrap(found, width - 2)][:height]

    def _items(self) -> list[Line]:
        items: list[Line] = []
        seen: set[str] = set()
        found = self.screen.active_bindings.values()
        # Textual lists the tab key first, whoever defines it.
        for active in sorted(found, key=lambda active: active.binding.key in TABS):
            binding = active.binding
            if binding.show and binding.action not in seen:
                seen.add(binding.action)
                items.append(self._item(binding, active.enabled))
        return items

    def _item(self, binding: Binding, enabled: bool) -> Line:
        key = self.app.get_key_display(binding)
        if enabled:
            return line((key, "accent"), f" {binding.description}")
        return line((f"({key} {binding.description})", "label"))
