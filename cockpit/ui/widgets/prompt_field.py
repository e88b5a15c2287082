"""The field that a prompt is written in."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input


class PromptField(Input):
    """Up and down are left to the screen, which knows what was asked before."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Ask", key_display="enter", tooltip="Let both models answer"),
        Binding("up", "screen.recall(-1)", "Earlier", tooltip="The prompt before, or the plan's"),
        Binding("down", "screen.recall(1)", "Later", tooltip="The prompt after"),
    ]
