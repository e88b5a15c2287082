"""All runs, newest first: attach, stop, resume, show."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cockpit.core import format as fmt
from cockpit.core.run_state import ACTIVE
from cockpit.errors import CockpitError
from cockpit.system import control, launcher, observe, removal, run_dir
from cockpit.system.comparison import FEWEST, MOST
from cockpit.system.home import runs_folder
from cockpit.system.run_dir import RunDir
from cockpit.system.summary import RunSummary, digest
from cockpit.system.summary import summary as summarize
from cockpit.ui.resuming import can_resume
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.dialogs import Question, TextDialog
from cockpit.ui.screens.run import SENDER, STOP_TEXT
from cockpit.ui.spans import text_of
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.run_detail import RunDetail, detail_lines
from cockpit.ui.widgets.runs_table import RunRow, RunsTable
from cockpit.ui.widgets.top_bar import TopBar, host_note

# The list is looked at again this often, as a multiple of a run's own rhythm.
SLOWER = 4


class RunsScreen(CockpitScreen):
    """The list, kept fresh while it is on screen."""

    CSS_PATH = "runs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,a", "attach", "Attach", tooltip="Watch this run", key_display="enter"),
        Binding("s", "stop", "Stop", tooltip="Checkpoint and stop; again to insist"),
        Binding("R", "resume_run", "Resume", tooltip="Go on from the newest whole checkpoint"),
        Binding("o", "show", "Show", tooltip="Its plan and all that is known"),
        Binding("space", "mark", "Mark", tooltip="Mark a run, to compare it with others"),
        Binding("c", "compare", "Compare", tooltip="The marked runs side by side"),
        Binding(
            "X,delete", "delete", "Delete", tooltip="Remove a run that is over, after a question"
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._reading = False

    def compose(self) -> ComposeResult:
        yield TopBar("Runs", host_note(self.cockpit.surroundings.remote))
        yield RunsTable(id="runs")
        yield RunDetail(id="detail")
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_interval(self.cockpit.surroundings.poll_seconds * SLOWER, self._tick)

    def on_screen_resume(self) -> None:
        self.query_one(RunsTable).focus()
        self._tick()

    def _tick(self) -> None:
        if self.is_current and not self._reading:
            self._reading = True
            self._read()

    @work(thread=True, group="list")
    def _read(self) -> None:
        try:
            self.attempt(_rows, self._show)
        finally:
            self._reading = False

    def _show(self, runs: list[RunRow]) -> None:
        table = self.query_one(RunsTable)
        if runs != table.runs or not table.loaded:
            table.show_runs(runs)
            self._moved()

    @on(CursorList.Moved, "#runs")
    def _moved(self) -> None:
        self.query_one(RunDetail).show_summary(self._selected)
        self.refresh_bindings()

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
    def _selected(self) -> RunSummary | None:
        return self.query_one(RunsTable).selected

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "compare":
            marked = len(self.query_one(RunsTable).marked) if self.is_mounted else 0
            return True if FEWEST <= marked <= MOST else None
        if action not in ("attach", "stop", "show", "resume_run", "mark", "delete"):
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
        question = Question(f"Stop {summary.run}?", STOP_TEXT, again="s")
        self.ask(question, lambda: self._stop(run))

    @work(thread=True, group="command")
    def _stop(self, run: RunDir) -> None:
        self.attempt(lambda: control.stop(run, sender=SENDER), lambda said: self.cockpit.say(said))

    def action_mark(self) -> None:
        self.query_one(RunsTable).mark()
        self.refresh_bindings()

    def action_compare(self) -> None:
        from cockpit.ui.screens.compare import CompareScreen

        table = self.query_one(RunsTable)
        runs = [_folder(row.summary) for row in table.runs if row.summary.run in table.marked]
        self.app.push_screen(CompareScreen(runs))

    def action_delete(self) -> None:
        if (summary := self._selected) is None:
            return
        run = _folder(summary)
        text = f"{run.path}\n\nIts checkpoints, adapters and records are removed for good."
        self.ask(Question(f"Delete {summary.run}?", text), lambda: self._delete(run))

    @work(thread=True, group="command")
    def _delete(self, run: RunDir) -> None:
        def deleted(_: None) -> None:
            self.query_one(RunsTable).marked.discard(run.name)
            self.cockpit.say(f"Deleted {run.name}")
            self._tick()

        self.attempt(lambda: removal.delete(run), deleted)

    def action_resume_run(self) -> None:
        if (summary := self._selected) is not None:
            self.offer_to_resume(_folder(summary))

    @work(thread=True, group="show", exclusive=True)
    def action_show(self) -> None:
        if (summary := self._selected) is not None:
            self.attempt(lambda: _describe(summary), self._show_text)

    def _show_text(self, text: tuple[str, str]) -> None:
        self.app.push_screen(TextDialog(*text))


def _rows() -> list[RunRow]:
    rows = []
    for run in run_dir.all_runs():
        validations = digest(run).validations
        rows.append(RunRow(summarize(run), validations[-1].loss if validations else None))
    return rows


def _folder(summary: RunSummary) -> RunDir:
    return RunDir(runs_folder() / summary.run)


def _describe(summary: RunSummary) -> tuple[str, str]:
    """Title and text of everything known about a run: reads its folder."""
    run = _folder(summary)
    state = observe.current_state(run)
    best = state.best_validation
    lines = [
        f"folder        {run.path}",
        f"state         {summary.status}, attempt {state.attempt or 'n/a'}",
        f"updates       {fmt.count(state.update)} of {fmt.count(state.updates)}",
        f"train loss    {fmt.loss(summary.final_train_loss)}",
        f"validation    {f'best {fmt.loss(best.loss)} at {best.update}' if best else 'n/a'}",
        f"test loss     {fmt.loss(state.test.loss if state.test else None)}",
        f"peak memory   {fmt.gigabytes(summary.measured_peak_bytes)}"
        f" (forecast {fmt.gigabytes(summary.predicted_peak_bytes)})",
        f"checkpoints   {', '.join(str(c.update) for c in state.checkpoints) or 'none'}",
        *(text_of(row).strip() for row in detail_lines(summary, 76)),
    ]
    try:
        fields = run.plan().model_dump(exclude_defaults=True)
        lines += ["", "plan (what differs from mlx-lm's defaults)"]
        lines += [f"  {name} = {value}" for name, value in fields.items()]
    except CockpitError as error:
        lines += ["", str(error)]
    return summary.run, "\n".join(lines)
