"""The base of nearly every widget here: lines of spans, of which only what changed is sent.

Textual re-sends a dirty region whole and has no cell diff of its own. ``redraw`` compares the new
lines with the old ones and marks the differing cells of the differing rows, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from cockpit.ui.spans import EMPTY, ROLES, Line, changed_cells, fit


class Lines(Widget):
    """Draws ``lines``, cut and padded to its size. Subclasses have ``build``."""

    COMPONENT_CLASSES = {f"lines--{role}" for role in ROLES}
    ALLOW_SELECT = False

    DEFAULT_CSS = """
    Lines {
        height: 1;
        color: $foreground;
        & > .lines--label { color: $foreground 62%; }
        & > .lines--strong { text-style: bold; }
        & > .lines--accent { color: $primary; text-style: bold; }
        & > .lines--good { color: $success; }
        & > .lines--warn { color: $warning; text-style: bold; }
        & > .lines--bad { color: $error; text-style: bold; }
        & > .lines--rule { color: $foreground 38%; }
        & > .lines--rest { color: $foreground 25%; }
        & > .lines--train { color: $primary; }
        & > .lines--valid { color: $warning; text-style: bold; }
        & > .lines--chosen { text-style: bold; background: $block-cursor-blurred-background; }
        & > .lines--cursor {
            color: $block-cursor-foreground;
            background: $block-cursor-background;
            text-style: $block-cursor-text-style;
        }
        &:ansi > .lines--label { color: ansi_default; }
        &:ansi > .lines--rule { color: ansi_bright_black; }
        &:ansi > .lines--rest { color: ansi_bright_black; }
        &:nocolor > .lines--cursor { text-style: reverse; }
        &:nocolor > .lines--rule { text-style: dim; }
        &:nocolor > .lines--rest { text-style: dim; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._shown: list[Line] = []
        self._shown_at = Size()

    @property
    def lines(self) -> Sequence[Line]:
        """What is drawn now, top to bottom, each as wide as the widget."""
        return self._shown

    def build(self, width: int, height: int) -> Sequence[Line]:
        """The lines for that size; called whenever ``redraw`` is, and after a resize."""
        return ()

    def redraw(self) -> None:
        """Builds the lines again and repaints the cells that differ."""
        before, at = self._shown, self._shown_at
        fresh = self._fit()
        if at != self.size:
            self.refresh()
            return
        regions = [
            Region(cells[0], y, cells[1] - cells[0], 1)
            for y, (old, new) in enumerate(zip(before, fresh, strict=True))
            if (cells := changed_cells(old, new)) is not None
        ]
        if regions:
            self.refresh(*regions)

    def _fit(self) -> list[Line]:
        """Builds the lines for the size that the widget has now; they are the shown ones."""
        width, height = self._shown_at = self.size
        self._shown = []
        if width and height:
            lines = [fit(spans, width) for spans in self.build(width, height)[:height]]
            self._shown = lines + [fit(EMPTY, width)] * (height - len(lines))
        return self._shown

    def on_resize(self) -> None:
        # Textual has usually painted the new size before it tells of it.
        if self._shown_at != self.size:
            self._fit()

    def render_line(self, y: int) -> Strip:
        if self._shown_at != self.size:
            self._fit()
        if y >= len(self._shown):
            return Strip.blank(self.size.width, self.rich_style)
        segments = [
            Segment(text, self.get_component_rich_style(f"lines--{role}"))
            for text, role in self._shown[y]
        ]
        return Strip(segments)
