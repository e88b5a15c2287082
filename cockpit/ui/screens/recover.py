"""Out of memory as a fork in the road: what happened, and the ways on with their prices."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cockpit.core.ladder import Rung
from cockpit.system.run_dir import RunDir
from cockpit.ui import recovering
from cockpit.ui.recovering import Ways
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.dialogs import Question, TextDialog
from cockpit.ui.screens.line_dialog import LineDialog
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.death import Cause, Timeline
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.rungs import RungDetail, RungList
from cockpit.ui.widgets.top_bar import TopBar, host_note

AS_IT_WAS = (
    "The same plan again, from the same checkpoint. It makes sense if something else took the "
    "memory and is gone now; otherwise it ends the same way."
)
EDIT_ABOUT = (
    "Fields of the plan, as field=value: batch_size, grad_accumulation_steps, max_seq_length, "
    "num_layers, grad_checkpoint, loss_chunks, long_examples and any other. It is priced next."
)
TOO_LARGE = "It is not expected to fit: it may run out of memory again."


class RecoverScreen(CockpitScreen):
    """Shows how a run ended and takes it on from its last checkpoint."""

    CSS_PATH = "recover.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter,t",
            "take",
            "Go on with it",
            tooltip="Go on from the checkpoint with this change",
            key_display="enter",
        ),
        Binding("e", "edit", "Edit", tooltip="Change this way's fields and price it again"),
        Binding("u", "unchanged", "Unchanged", tooltip="Go on with the plan as it was"),
        Binding("w", "explain", "Why", tooltip="All the evidence, and why each way fits or not"),
        Binding("escape,b", "back", "Back", tooltip="Back to the run; nothing is changed"),
    ]

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run
        self.ways: Ways | None = None
        self._busy = False

    def compose(self) -> ComposeResult:
        yield TopBar(f"Recover {self.run.name}", host_note(self.cockpit.surroundings.remote))
        yield Cause(id="cause")
        yield Timeline(id="timeline")
        yield RungList(id="rungs")
        yield RungDetail(id="detail")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(RungList).focus()
        self._look()

    @work(thread=True, group="ways", exclusive=True)
    def _look(self) -> None:
        def examined(ways: Ways) -> None:
            self._show(ways)
            self._price(ways)

        self.attempt(lambda: recovering.examine(self.run), examined)

    @work(thread=True, group="ways", exclusive=True)
    def _price(self, ways: Ways) -> None:
        waiting = self.query_one(RungList).show_progress

        def forecast_next(done: int) -> None:
            self.deliver(waiting, done)

        self.attempt(lambda: recovering.price(ways, forecast_next), self._priced)

    def _show(self, ways: Ways) -> None:
        self.ways = ways
        self.query_one(Cause).show(ways)
        self.query_one(Timeline).show(ways)
        self.refresh_bindings()

    def _priced(self, ways: Ways) -> None:
        self._show(ways)
        if ways.ladder is not None:
            self.query_one(RungList).show(ways.ladder)
            self._moved()

    @on(CursorList.Moved, "#rungs")
    def _moved(self) -> None:
        ladder = self.ways.ladder if self.ways is not None else None
        reason = ladder.budget_reason if ladder is not None else ""
        self.query_one(RungDetail).show(self._rung, reason)
        self.refresh_bindings()

    @property
    def _rung(self) -> Rung | None:
        return self.query_one(RungList).selected if self.is_mounted else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if self._busy and action in ("take", "edit", "unchanged"):
            return None
        if action == "take":
            rung = self._rung
            return True if rung is not None and rung.offered else None
        if action == "edit":
            return True if self._rung is not None else None
        return True if action not in ("unchanged", "explain") or self.ways is not None else None

    @on(CursorList.Chosen, "#rungs")
    def action_take(self) -> None:
        rung = self._rung
        if rung is None or not rung.offered or self._busy:
            return
        if rung.fits is False:
            self.ask(Question(f"{rung.title}?", TOO_LARGE), lambda: self._go_on(rung))
        else:
            self._go_on(rung)

    def action_unchanged(self) -> None:
        question = Question("Go on with the plan as it was?", AS_IT_WAS, again="u")
        self.ask(question, lambda: self._go_on(None))

    def _go_on(self, rung: Rung | None) -> None:
        self._set_busy(True)
        self._take(rung)

    @work(thread=True, group="take", exclusive=True)
    def _take(self, rung: Rung | None) -> None:
        ways, tracer = self.ways, self.cockpit.tracer
        assert ways is not None
        try:
            self.attempt(lambda: recovering.take(ways, rung, tracer), self.resumed)
        finally:
            self.deliver(self._set_busy, False)

    def action_edit(self) -> None:
        rung = self._rung
        if rung is None:
            return

        def written(text: str | None) -> None:
            if text:
                self.cockpit.say("Pricing it…")
                self._edit(text)

        text = recovering.text_of_changes(rung)
        self.app.push_screen(LineDialog("Edit this way on", EDIT_ABOUT, text), written)

    @work(thread=True, group="edit", exclusive=True)
    def _edit(self, text: str) -> None:
        ways = self.ways
        assert ways is not None
        self.attempt(lambda: recovering.edited(ways, text), self.query_one(RungList).add)

    def action_explain(self) -> None:
        if self.ways is not None:
            found = self.ways.situation.diagnosis
            text = recovering.in_words(self.ways)
            self.app.push_screen(TextDialog(found.title, text))

    def action_back(self) -> None:
        self.cockpit.show_run(self.run)

    def _set_busy(self, busy: bool) -> None:
        self._busy = busy
        self.refresh_bindings()
