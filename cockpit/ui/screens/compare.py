"""Two to six runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cockpit.system import comparison
from cockpit.system.comparison import Comparison
from cockpit.system.run_dir import RunDir
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.widgets.compared import ComparedCurves, ComparedTable
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.top_bar import TopBar, host_note


class CompareScreen(CockpitScreen):
    """Read once, when it is opened: for runs that are over, or as they were then."""

    CSS_PATH = "compare.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "turn", "Training/validation", tooltip="Which losses are drawn"),
        Binding("escape,b", "back", "Back", tooltip="Back to the list of runs"),
    ]

    def __init__(self, runs: Sequence[RunDir]) -> None:
        super().__init__()
        self._runs = tuple(runs)

    def compose(self) -> ComposeResult:
        yield TopBar("Compare", host_note(self.cockpit.surroundings.remote))
        yield ComparedCurves(id="curves")
        yield ComparedTable(id="table")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(ComparedTable).focus()
        self._read()

    @work(thread=True, group="compare", exclusive=True)
    def _read(self) -> None:
        self.attempt(lambda: comparison.compare(self._runs), self._show)

    def _show(self, found: Comparison) -> None:
        self.query_one(ComparedCurves).show(found)
        self.query_one(ComparedTable).show(found)

    def action_turn(self) -> None:
        self.query_one(ComparedCurves).turn()

    def action_back(self) -> None:
        self.app.pop_screen()
