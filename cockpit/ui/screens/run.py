"""One run, live: its folder is read in a worker, and the widgets are handed views of it."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from cockpit.core import format as fmt
from cockpit.core.concerns import concerns
from cockpit.core.events import Action, Command
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState
from cockpit.errors import CockpitError
from cockpit.system import control
from cockpit.system.observe import RunWatcher
from cockpit.system.run_dir import RunDir
from cockpit.ui import recovering
from cockpit.ui.screens.dialogs import Question, TextDialog
from cockpit.ui.screens.run_charts import CHART_KEYS, ChartScreen
from cockpit.ui.view import Forecast, RunView, last_word
from cockpit.ui.widgets.journal import Journal
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.memory import MemoryPanel
from cockpit.ui.widgets.numbers import Numbers
from cockpit.ui.widgets.status import Headline
from cockpit.ui.widgets.top_bar import TopBar, host_note

LOG_LINES = 40
SENDER = "cockpit"
# Actions that only a living run can obey, and in which states.
WHEN: dict[str, frozenset[str]] = {
    "pause": frozenset({"starting", "running"}),
    "resume": frozenset({"paused"}),
    "stop": frozenset({"starting", "running", "paused", "stopping", "recovering"}),
    "checkpoint": frozenset({"running", "paused"}),
    "validate": frozenset({"running", "paused"}),
    "sample": frozenset({"running", "paused"}),
}
STOP_TEXT = (
    "It finishes the update it is in, writes a checkpoint and exits; nothing is lost.\n"
    "If it does not obey, stop it again after a while: the second time it is terminated, "
    "the third time killed."
)
STOP_RECOVERY_TEXT = (
    "It ran out of memory, and its supervisor looks for the first change that fits.\n"
    "Stopped now, no further attempt starts, and the way on is yours to choose."
)


class RunScreen(ChartScreen):
    """Watches one run and sends it commands. Leaving it leaves the run alone."""

    CSS_PATH = "run.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause", tooltip="Pause between two updates"),
        Binding("p", "resume", "Resume", tooltip="Go on after a pause"),
        Binding("R", "resume_run", "Resume", tooltip="Go on from the newest whole checkpoint"),
        Binding("R", "recover_run", "Recover", tooltip="What happened, and the ways on"),
        Binding("s", "stop", "Stop", tooltip="Checkpoint and stop; again to insist"),
        Binding("c", "checkpoint", "Checkpoint", tooltip="Write a checkpoint now"),
        Binding("v", "validate", "Validate", tooltip="Measure the validation loss now"),
        Binding("t", "sample", "Sample", tooltip="Answer the sample prompts with today's weights"),
        Binding("T,t", "try_out", "Try", tooltip="Base and tuned model side by side"),
        Binding("l", "turn", "Log/samples", tooltip="Log, samples, notes, story"),
        Binding("a", "act", "Act on it", tooltip="Do what is advised, after a question"),
        Binding("e", "explain", "Explain", tooltip="What is wrong or how it ended, in full"),
        *CHART_KEYS,
        Binding("d,escape", "detach", "Detach", tooltip="Leave this run alone, training goes on"),
    ]

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run
        self.view = RunView(run.name, RunWatcher(run).state)
        self._watcher = RunWatcher(run)
        self._attempt_read = -1
        self._plan: RunPlan | None = None
        self._forecast = Forecast()
        self._polling = False
        self._recoverable: bool | None = None
        self._asked: dict[str, Action] = {}

    def compose(self) -> ComposeResult:
        yield TopBar(self.run.name, host_note(self.cockpit.surroundings.remote))
        yield Headline(id="headline")
        yield from self.charts()
        with Horizontal(id="facts"):
            yield Numbers(id="numbers")
            yield MemoryPanel(id="memory")
        yield Journal(id="journal")
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_interval(self.cockpit.surroundings.poll_seconds, self._tick)
        self._tick()

    def _tick(self) -> None:
        if not self._polling:
            self._polling = True
            self._poll()

    @work(thread=True, group="watch")
    def _poll(self) -> None:
        try:
            view = self._look()
            if view.mark != self.view.mark:
                self.deliver(self._show, view.frozen())
        finally:
            self._polling = False

    def _look(self) -> RunView:
        """Reads what is new; a long history is caught up with before anything is drawn."""
        state = self._watcher.poll()
        while not self._watcher.caught_up:
            state = self._watcher.poll()
        if state.attempt != self._attempt_read:
            self._attempt_read = state.attempt
            self._read_plan()
        log = tuple(self._watcher.log_tail(LOG_LINES))
        return RunView(
            self.run.name,
            state,
            self._plan,
            self._forecast,
            log,
            self._is_recoverable(state),
            concerns(state),
        )

    def _is_recoverable(self, state: RunState) -> bool:
        """Looked up once an attempt, after its end: it reads the log."""
        if state.active:
            self._recoverable = None
            return False
        if self._recoverable is None:
            self._recoverable = recovering.wants_recovery(self.run, state)
        return self._recoverable

    def _read_plan(self) -> None:
        attempts = self.run.attempts()
        try:
            self._plan = attempts[-1].plan() if attempts else self.run.plan()
        except CockpitError:
            self._plan = None
        self._forecast = Forecast.from_document(attempts[-1].forecast() if attempts else None)

    def _show(self, view: RunView) -> None:
        before = self.view
        changed = _offers(view) != _offers(before)
        self.view = view
        self.show_charts(view)
        for widget in self._panels():
            widget.update_view(view)
        self._tell_answers(view)
        if changed:
            self.refresh_bindings()

    def _panels(self) -> list[Headline | Numbers | MemoryPanel | Journal]:
        kinds: list[type[Widget]] = [Headline, Numbers, MemoryPanel, Journal]
        return [self.query_one(kind) for kind in kinds]  # type: ignore[misc]

    def _tell_answers(self, view: RunView) -> None:
        for identity in self._asked.keys() & view.state.acknowledged.keys():
            action = self._asked.pop(identity)
            answer = view.state.acknowledged[identity]
            said = answer.message or ("done" if answer.accepted else "refused")
            self.cockpit.say(f"{action}: {said}", warn=not answer.accepted)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if (offered := self.offers_chart(action)) is not None:
            return offered
        status = self.view.state.status
        if action in WHEN and not self.view.state.active:
            return False
        if action == "resume_run":
            return self.view.can_resume and not self.view.recoverable
        if action == "recover_run":
            return self.view.recoverable
        if action == "resume":
            return status == "paused"
        if action == "pause":
            return False if status == "paused" else (True if status in WHEN[action] else None)
        if action == "act":
            return bool(self.view.concerns) and self.view.concerns[0].act != "explain"
        if action == "explain":
            return bool(self.view.concerns) or last_word(self.view) is not None
        return True if action not in WHEN or status in WHEN[action] else None

    @work(thread=True, group="command")
    def _send(self, action: Action, value: float | None = None) -> None:
        def asked(command: Command) -> None:
            self._asked[command.id] = action
            self.cockpit.say(f"{action}: asked for, after this update")

        self.attempt(lambda: control.send(self.run, action, value=value, sender=SENDER), asked)

    @work(thread=True, group="command")
    def _stop(self) -> None:
        self.attempt(
            lambda: control.stop(self.run, sender=SENDER), lambda said: self.cockpit.say(said)
        )

    def action_pause(self) -> None:
        self._send("pause")

    def action_resume(self) -> None:
        self._send("resume")

    def action_checkpoint(self) -> None:
        self._send("checkpoint")

    def action_validate(self) -> None:
        self._send("validate")

    def action_sample(self) -> None:
        self._send("sample")

    def action_stop(self) -> None:
        text = stop_text(self.view.state.status)
        question = Question(f"Stop {self.run.name}?", text, again="s")
        self.ask(question, self._stop)

    def action_resume_run(self) -> None:
        self.offer_to_resume(self.run)

    def action_recover_run(self) -> None:
        self.recover(self.run)

    def resumed(self, run: RunDir) -> None:
        self.cockpit.say("Resumed: the next attempt starts.")

    def action_try_out(self) -> None:
        from cockpit.ui.screens.try_ import TryScreen

        self.app.switch_screen(TryScreen(self.run, from_run=True))

    def action_turn(self) -> None:
        self.query_one(Journal).turn()

    def action_act(self) -> None:
        """Does what the most urgent concern advises."""
        found = self.view.concerns[0]
        text = f"{found.evidence}\n\n{found.remedy}"
        if found.act == "stop":
            self.ask(Question(f"{found.title}. Stop?", f"{text}\n\n{STOP_TEXT}"), self._stop)
        elif (rate := found.value) is not None:
            title = f"{found.title}. Learning rate {fmt.scientific(rate)}?"
            self.ask(Question(title, text), lambda: self._send("set_learning_rate", rate))

    def action_explain(self) -> None:
        if self.view.concerns:
            said = "\n\n".join(
                f"! {c.title}\n  {c.evidence}\n  → {c.remedy}" for c in self.view.concerns
            )
            self.app.push_screen(TextDialog("What looks wrong", said))
            return
        word = last_word(self.view)
        if word is None:
            return
        title, said, remedy = word
        parts = [said, f"→ {remedy}" if remedy else "", f"Folder: {self.run.path}"]
        text = "\n\n".join(part for part in parts if part)
        kind = "error" if self.view.state.status == "failed" else "plain"
        self.app.push_screen(TextDialog(title, text, kind=kind))

    def action_detach(self) -> None:
        if self.view.state.active:
            name = fmt.plain(self.run.name)
            self.cockpit.say(f"Detached. Training goes on: enter, or cockpit attach {name}")
        self.cockpit.action_runs()


def stop_text(status: str) -> str:
    """What a stop does to a run in that state."""
    return STOP_RECOVERY_TEXT if status == "recovering" else STOP_TEXT


def _offers(view: RunView) -> tuple[object, ...]:
    """What decides which keys work."""
    state = view.state
    return state.status, view.can_resume, view.recoverable, view.concerns, bool(state.losses)
