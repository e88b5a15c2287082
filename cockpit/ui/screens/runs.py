"""All runs: found, put in order, tagged, taken along; attach, stop, resume, compare, delete."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from cockpit.core.plan import RunPlan
from cockpit.core.run_state import ACTIVE
from cockpit.system import clone, control, launcher, removal, run_list
from cockpit.system.comparison import FEWEST, MOST
from cockpit.system.home import runs_folder
from cockpit.system.run_dir import RunDir
from cockpit.system.run_list import RunRow
from cockpit.system.summary import RunSummary
from cockpit.ui.resuming import can_resume
from cockpit.ui.run_description import describe
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.dialogs import Question, TextDialog
from cockpit.ui.screens.run import SENDER, stop_text
from cockpit.ui.screens.run_papers import RunPapers
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.run_detail import RunDetail
from cockpit.ui.widgets.runs_filter import RunsFilter
from cockpit.ui.widgets.runs_table import RunsTable
from cockpit.ui.widgets.top_bar import TopBar, host_note

# The list is looked at again this often, as a multiple of a run's own rhythm.
SLOWER = 4
# Rows of the terminal from which on there is a detail, and more than one line of keys.
ROOM_FOR_DETAIL, ROOM_FOR_KEYS = 20, 12
# Actions that need a run under the cursor.
OF_ONE_RUN = frozenset(
    {"attach", "stop", "resume_run", "show", "try_out", "mark", "delete", "tag", "clone", "export"}
)


class RunsScreen(CockpitScreen):
    """The list, kept fresh while it is on screen."""

    CSS_PATH = "runs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,a", "attach", "Attach", tooltip="Watch this run", key_display="enter"),
        Binding("s", "stop", "Stop", tooltip="Checkpoint and stop; again to insist"),
        Binding("R", "resume_run", "Resume", tooltip="Go on from the newest whole checkpoint"),
        Binding("i", "show", "Show", tooltip="Its plan and all that is known"),
        Binding("t", "try_out", "Try", tooltip="Base and tuned model side by side"),
        Binding("space", "mark", "Mark", tooltip="Mark a run, to compare it with others"),
        Binding("c", "compare", "Compare", tooltip="The marked runs side by side"),
        Binding(
            "slash", "filter", "Filter", key_display="/", tooltip="By name, model, status or #tag"
        ),
        Binding("escape", "show_all", "Show all", tooltip="Forget the filter"),
        Binding("o", "order", "Sort", tooltip="By date, losses, peak memory, status: the next one"),
        Binding("O", "turn_order", "Turn round", show=False, tooltip="The same order, last first"),
        Binding("T", "tag", "Tag", tooltip="Words of your own about this run"),
        Binding("N", "clone", "Clone", tooltip="A new run with this one's plan, to change first"),
        Binding("e", "export", "Export", tooltip="This run, or the marked ones: CSV, JSON, SVG"),
        Binding(
            "X,delete", "delete", "Delete", tooltip="Remove a run that is over, after a question"
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._reading = False
        self._papers = RunPapers(self, self._tick)

    def compose(self) -> ComposeResult:
        yield TopBar("Runs", host_note(self.cockpit.surroundings.remote))
        yield RunsTable(id="runs")
        yield RunsFilter(id="filter")
        yield RunDetail(id="detail")
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_interval(self.cockpit.surroundings.poll_seconds * SLOWER, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        """A low terminal is for the list alone."""
        self.set_class(event.size.height < ROOM_FOR_DETAIL, "-low")
        self.set_class(event.size.height < ROOM_FOR_KEYS, "-flat")

    def on_screen_resume(self) -> None:
        self._filtered()
        self._tick()

    def _tick(self) -> None:
        if self.is_current and not self._reading:
            self._reading = True
            self._read()

    @work(thread=True, group="list")
    def _read(self) -> None:
        try:
            self.attempt(run_list.read, self._show)
        finally:
            self._reading = False

    def _show(self, runs: list[RunRow]) -> None:
        if runs != self._table.all_runs or not self._table.loaded:
            self._table.show_runs(runs)
            self._moved()

    @on(CursorList.Moved, "#runs")
    def _moved(self) -> None:
        self.query_one(RunDetail).show_run(self._table.chosen)
        self.refresh_bindings()

    @on(Input.Changed, "#filter")
    def _narrow(self, event: Input.Changed) -> None:
        self._table.narrow(event.value)
        self._moved()

    @on(RunsFilter.Left)
    def _filtered(self) -> None:
        self._table.focus()
        self.query_one(RunsFilter).display = False

    @on(CursorList.Chosen, "#runs")
    def action_attach(self) -> None:
        if (summary := self._selected) is not None:
            run = _folder(summary)
            self._replace_dead_supervisor(run)
            self.cockpit.show_run(run)

    @work(thread=True, group="attach")
    def _replace_dead_supervisor(self, run: RunDir) -> None:
        """Takes a Python start if it is needed, while the run is shown already."""

        def told(replaced: bool) -> None:
            if replaced:
                self.cockpit.say("Its supervisor had died; a new one watches over it.")

        self.attempt(lambda: launcher.replace_dead_supervisor(run), told)

    @property
    def _table(self) -> RunsTable:
        return self.query_one(RunsTable)

    @property
    def _selected(self) -> RunSummary | None:
        return self._table.selected

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "compare":
            marked = len(self._table.marked) if self.is_mounted else 0
            return True if FEWEST <= marked <= MOST else None
        if action == "show_all":
            return self.is_mounted and bool(self._table.typed)
        if action == "filter":
            return not isinstance(self.focused, RunsFilter)
        if action not in OF_ONE_RUN:
            return True
        summary = self._selected if self.is_mounted else None
        if action == "resume_run":
            return summary is not None and can_resume(summary.status)
        if summary is None or (action == "stop" and summary.status not in ACTIVE):
            return None
        return None if action == "delete" and summary.status in ACTIVE else True

    def action_stop(self) -> None:
        if (summary := self._selected) is None:
            return
        run = _folder(summary)
        question = Question(f"Stop {summary.run}?", stop_text(summary.status), again="s")
        self.ask(question, lambda: self._stop(run))

    @work(thread=True, group="command")
    def _stop(self, run: RunDir) -> None:
        self.attempt(lambda: control.stop(run, sender=SENDER), lambda said: self.cockpit.say(said))

    def action_mark(self) -> None:
        self._table.mark()
        self.refresh_bindings()

    def action_compare(self) -> None:
        from cockpit.ui.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen([_folder(run) for run in self._table.marked_runs()]))

    def action_filter(self) -> None:
        typed = self.query_one(RunsFilter)
        typed.display = True
        typed.focus()

    def action_show_all(self) -> None:
        self.query_one(RunsFilter).value = ""

    def action_order(self) -> None:
        self._table.put_in_order(self._table.order.following())

    def action_turn_order(self) -> None:
        self._table.put_in_order(self._table.order.turned())

    def action_tag(self) -> None:
        if (row := self._table.chosen) is not None:
            self._papers.tag(_folder(row.summary), row.tags)

    def action_export(self) -> None:
        chosen = [self._selected] if self._selected is not None else []
        if runs := self._table.marked_runs() or chosen:
            self._papers.export([_folder(run) for run in runs])

    @work(thread=True, group="clone", exclusive=True)
    def action_clone(self) -> None:
        if (summary := self._selected) is not None:
            self.attempt(lambda: clone.plan_like(_folder(summary)), self._choose)

    async def _choose(self, plan: RunPlan) -> None:
        """Opens the form with ``plan``; it is there to be filled once it is mounted."""
        from cockpit.ui.screens.choose import ChooseScreen

        form = self.app.get_screen("choose", ChooseScreen)
        self.cockpit.close_dialogs()
        await self.app.switch_screen(form)
        form.take_plan(plan)
        self.cockpit.say("The plan of that run. Nothing is launched yet.")

    def action_delete(self) -> None:
        if (summary := self._selected) is None:
            return
        run = _folder(summary)
        text = f"{run.path}\n\nIts checkpoints, adapters and records are removed for good."
        self.ask(Question(f"Delete {summary.run}?", text), lambda: self._delete(run))

    @work(thread=True, group="command")
    def _delete(self, run: RunDir) -> None:
        def deleted(_: None) -> None:
            self._table.marked.discard(run.name)
            self.cockpit.say(f"Deleted {run.name}")
            self._tick()

        self.attempt(lambda: removal.delete(run), deleted)

    def action_resume_run(self) -> None:
        if (summary := self._selected) is not None:
            self.offer_to_resume(_folder(summary))

    def action_try_out(self) -> None:
        from cockpit.ui.screens.try_ import TryScreen

        if (summary := self._selected) is not None:
            self.app.switch_screen(TryScreen(_folder(summary)))

    @work(thread=True, group="show", exclusive=True)
    def action_show(self) -> None:
        if (summary := self._selected) is not None:
            self.attempt(lambda: describe(_folder(summary), summary), self._show_text)

    def _show_text(self, text: tuple[str, str]) -> None:
        self.app.push_screen(TextDialog(*text))


def _folder(summary: RunSummary) -> RunDir:
    return RunDir(runs_folder() / summary.run)
