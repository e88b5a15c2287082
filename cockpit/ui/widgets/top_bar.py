"""The first line of every screen: where we are, and which machine this is."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.ui.spans import Line, line, spread
from cockpit.ui.widgets.lines import Lines


class TopBar(Lines):
    """``MLX Cockpit › New run`` on the left, a note on the right."""

    DEFAULT_CSS = """
    TopBar { dock: top; background: $panel; }
    """

    def __init__(self, title: str, note: str = "") -> None:
        super().__init__(id="top")
        self._title = title
        self._note = note

    def build(self, width: int, height: int) -> Sequence[Line]:
        left = line((" MLX Cockpit", "accent"), (" › ", "rule"), (fmt.plain(self._title), "strong"))
        right = line((f"  {fmt.plain(self._note)} ", "label") if self._note else " ")
        return (spread(left, right, width),)


def host_note(remote: bool) -> str:
    """Which machine this is, over SSH, where it is easy to forget."""
    return fmt.plain(platform.node()) if remote else ""
