"""A data set before it is trained on: what is in it, what is wrong, and the cure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Label

from cockpit.errors import CockpitError
from cockpit.ui import data_view
from cockpit.ui.data_check import DataCheck, command
from cockpit.ui.folder_suggester import FolderSuggester
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.dialogs import TextDialog
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.findings import DataOverview, FindingDetail, FindingList
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.top_bar import TopBar, host_note

NO_FOLDER = "Type a data folder and press enter."


class DataScreen(CockpitScreen):
    """Opened over another screen; examines at once if a folder is known.

    ``texts`` are fields of the plan as typed: what is cut and masked depends on them.
    """

    AUTO_FOCUS = "#findings"
    CSS_PATH = "data.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f,slash", "edit", "Folder", tooltip="Name another folder, or another model"),
        Binding("x", "example", "Example", tooltip="A training example as the model sees it"),
        Binding("R,f5", "examine", "Again", tooltip="Read the files again"),
        Binding("escape", "back", "Back", tooltip="To where you came from"),
        Binding("r", "runs", "Runs", show=False, tooltip="All runs: attach, stop, show"),
    ]

    def __init__(
        self, folder: str = "", model: str = "", texts: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self._folder, self._model, self._texts = folder, model, dict(texts or {})
        self._document: dict[str, Any] | None = None
        self._check: DataCheck | None = None

    def compose(self) -> ComposeResult:
        yield TopBar("Data", host_note(self.cockpit.surroundings.remote))
        with Horizontal(id="where"):
            yield Label(" folder")
            yield Input(self._folder, compact=True, id="folder", suggester=FolderSuggester())
            yield Label("  model")
            yield Input(self._model, compact=True, id="model", placeholder="none: estimate")
        yield DataOverview(id="overview")
        yield FindingList(id="findings")
        yield FindingDetail(id="detail")
        yield KeyBar()

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        if self._folder:
            self.action_examine()
        else:
            self.query_one(DataOverview).wait(NO_FOLDER)
            self.query_one("#folder").focus()

    def on_unmount(self) -> None:
        if self._check is not None:
            self._check.cancel()

    def action_examine(self) -> None:
        folder = self.query_one("#folder", Input).value.strip()
        if not folder:
            self.query_one(DataOverview).wait(NO_FOLDER)
            return
        if self._check is not None:
            self._check.cancel()
        model = self.query_one("#model", Input).value.strip()
        self._check = DataCheck(command(folder, model, self._texts))
        self._document = None
        self.query_one(DataOverview).wait("reading…")
        self.query_one(FindingList).show([])
        self._examine(self._check)

    @work(thread=True, group="data", exclusive=True)
    def _examine(self, check: DataCheck) -> None:
        def told(said: str) -> None:
            self.deliver(self.query_one(DataOverview).wait, said)

        try:
            document = check.run(told)
        except CockpitError as error:
            if not check.cancelled:
                self.deliver(self._failed, error)
        else:
            self.deliver(self._show, document)

    def _failed(self, error: CockpitError) -> None:
        self.query_one(DataOverview).wait(error.title)
        self.cockpit.show_error(error)

    def _show(self, document: dict[str, Any]) -> None:
        self._document = document
        self.query_one(DataOverview).show(document)
        self.query_one(FindingList).show(document["findings"])
        self.refresh_bindings()

    @on(CursorList.Moved, "#findings")
    def _moved(self) -> None:
        self.query_one(FindingDetail).show(self.query_one(FindingList).selected)

    @on(Input.Submitted)
    def _named(self) -> None:
        self.query_one(FindingList).focus()
        self.action_examine()

    def action_edit(self) -> None:
        self.query_one("#folder").focus()

    def action_example(self) -> None:
        if self._document is not None:
            text = data_view.example_text(self._document)
            self.app.push_screen(TextDialog("A training example", text))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "example" and self._document is None else True

    def action_runs(self) -> None:
        self.dismiss(None)
        self.cockpit.call_after_refresh(self.cockpit.action_runs)

    def action_back(self) -> None:
        if isinstance(self.focused, Input):
            self.query_one(FindingList).focus()
        else:
            self.dismiss(None)
