"""One line of text that changes."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.ui.spans import EMPTY, Line
from cockpit.ui.widgets.lines import Lines


class TextLine(Lines):
    """Shows what it was given last."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._line: Line = EMPTY

    def show(self, spans: Line) -> None:
        self._line = spans
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        return [self._line]
