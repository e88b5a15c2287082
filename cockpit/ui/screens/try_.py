"""The same prompt to the base and the tuned model, side by side, as they answer."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Label

from cockpit.core import format as fmt
from cockpit.errors import CockpitError
from cockpit.results.settings import Settings
from cockpit.system.run_dir import RunDir
from cockpit.ui import trying
from cockpit.ui.exchange import Exchange
from cockpit.ui.recall import Recall
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.checkpoint_dialog import CheckpointDialog
from cockpit.ui.screens.line_dialog import LineDialog
from cockpit.ui.spans import line
from cockpit.ui.trying import LATEST, Subject, Talk
from cockpit.ui.widgets.answers import Answers
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.text_line import TextLine
from cockpit.ui.widgets.top_bar import TopBar, host_note

DRAW_SECONDS, DRAW_SECONDS_REMOTE = 0.1, 0.3
PAGE_ROWS = 8
SETTINGS_ABOUT = (
    "max_tokens is the longest answer. A temperature of 0 takes the likeliest token each time; "
    "0.7 is lively. Both models draw the same random numbers."
)
STILL = "Still answering: esc, then s, stops it."


class TryScreen(CockpitScreen):
    """Holds the models in a process of their own, which ends when the screen is left."""

    AUTO_FOCUS = "#prompt"
    CSS_PATH = "try_.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "ask", "Ask", key_display="enter", tooltip="Let both models answer"),
        Binding("slash,i", "edit", "Prompt", tooltip="Write another prompt"),
        Binding("s", "stop", "Stop", tooltip="Stop the answers; again to insist"),
        Binding("c", "checkpoint", "Checkpoint", tooltip="The latest, the best, or any other"),
        Binding("e", "settings", "Settings", tooltip="Longest answer and temperature"),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("escape", "back", "Back", tooltip="Out of the field, then to where you came from"),
    ]

    def __init__(self, run: RunDir, *, from_run: bool = False) -> None:
        super().__init__()
        self.run = run
        self._from_run = from_run
        self._checkpoint = LATEST
        self._settings = Settings()
        self._subject: Subject | None = None
        self._talk = Talk(run)
        # Prompts by how the field shows them, on one line and with nothing to obey.
        self._meant: dict[str, str] = {}
        self._exchange: Exchange | None = None

    def compose(self) -> ComposeResult:
        yield TopBar(f"Try {self.run.name}", host_note(self.cockpit.surroundings.remote))
        yield TextLine(id="how")
        with Horizontal(id="ask"):
            yield Label(" prompt")
            yield PromptField(compact=True, id="prompt", placeholder="up: the plan's prompts")
        yield Answers(id="answers")
        yield KeyBar()

    def on_mount(self) -> None:
        self._recall = Recall(self.cockpit.prompts_asked)
        self.query_one(Input).cursor_blink = False
        remote = self.cockpit.surroundings.remote
        self.set_interval(DRAW_SECONDS_REMOTE if remote else DRAW_SECONDS, self._draw)
        self.query_one(Answers).wait("looking for the checkpoint…")
        self._look()

    def on_unmount(self) -> None:
        self._talk.end()

    @property
    def _busy(self) -> bool:
        return self._exchange is not None and not self._exchange.over

    @work(thread=True, group="look", exclusive=True)
    def _look(self) -> None:
        try:
            found = trying.look(self.run, self._checkpoint)
        except (CockpitError, OSError) as problem:
            self.deliver(self._unusable, _told(problem))
        else:
            self.deliver(self._seen, found)

    def _unusable(self, error: CockpitError) -> None:
        self._subject = None
        self.query_one(Answers).wait(error.title)
        self._show_how()
        self.cockpit.show_error(error)

    def _seen(self, found: Subject) -> None:
        first = self._subject is None
        self._subject = found
        self._show_how()
        if self._exchange is None:
            offered = [f"· {fmt.plain(text)}" for text in found.prompts]
            about = ["Prompts of the plan and its data:", *offered] if offered else []
            self.query_one(Answers).wait("enter asks both models.", "", *about)
        if first:
            offer = self._recall.offer(found.prompts)
            if not self.query_one(Input).value.strip():
                self._write(offer)
        self.refresh_bindings()

    def _show_how(self) -> None:
        found = self._subject
        where = "none" if found is None else f"update {found.update}"
        best = ", the best" if found is not None and found.is_best else ""
        named = "" if self._checkpoint.isdecimal() else f"{self._checkpoint}, "
        self.query_one("#how", TextLine).show(
            line(
                (" max_tokens ", "label"),
                str(self._settings.max_tokens),
                ("  temperature ", "label"),
                f"{self._settings.temperature:g}",
                ("  checkpoint ", "label"),
                f"{named}{where}{best}",
            )
        )

    @on(Input.Submitted)
    def action_ask(self) -> None:
        shown = self.query_one(Input).value.strip()
        prompt = self._meant.get(shown, shown)
        if self._busy:
            self.cockpit.say(STILL)
        elif not prompt:
            self.cockpit.say("There is no prompt: write one, or take one with up.")
        elif self._subject is None:
            self._look()
        else:
            self._recall.add(prompt)
            self._exchange = Exchange(prompt, self._subject.model)
            self.query_one(Answers).show(self._exchange)
            self.query_one(Answers).focus()
            self.refresh_bindings()
            self._answer(self._exchange)

    @work(thread=True, group="answer", exclusive=True)
    def _answer(self, exchange: Exchange) -> None:
        def tell(text: str) -> None:
            exchange.status = text

        said = self._talk.ask(exchange.prompt, self._checkpoint, self._settings, tell)
        try:
            for message in said:
                exchange.hear(message)
        except (CockpitError, OSError) as problem:
            error = _told(problem)
            exchange.end(f"✗ {error.title}")
            self.deliver(self.cockpit.show_error, error)
        else:
            exchange.end("" if exchange.document else "stopped")
        self.deliver(self._answered, exchange)

    def _answered(self, exchange: Exchange) -> None:
        self._draw()
        self.refresh_bindings()
        if exchange.document is not None:
            self._look()

    def _draw(self) -> None:
        if self._exchange is not None:
            self.query_one(Answers).redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return True if self._busy else None
        if action == "ask":
            return None if self._busy else True
        if action == "edit":
            return not isinstance(self.focused, Input)
        return None if action == "checkpoint" and self._busy else True

    def action_stop(self) -> None:
        self._talk.stop()

    def action_recall(self, step: int) -> None:
        self._write(self._recall.step(step))

    def _write(self, prompt: str) -> None:
        """Shows ``prompt`` in the field, which means it as it is as long as nobody edits it."""
        field = self.query_one(Input)
        field.value = shown = fmt.plain(prompt).strip()
        field.cursor_position = len(shown)
        self._meant[shown] = prompt

    def action_edit(self) -> None:
        self.query_one(Input).focus()

    @work(thread=True, group="offers", exclusive=True)
    def action_checkpoint(self) -> None:
        def offered(found: list[trying.Offer]) -> None:
            if found:
                dialog = CheckpointDialog(found, self._checkpoint)
                self.app.push_screen(dialog, self._take_checkpoint)
            else:
                self._look()

        self.attempt(lambda: trying.offers(self.run), offered)

    def _take_checkpoint(self, asked: str | None) -> None:
        if asked:
            self._checkpoint = asked
            self._look()

    def action_settings(self) -> None:
        def written(text: str | None) -> None:
            try:
                self._settings = self._settings.changed(text or "")
            except CockpitError as error:
                self.cockpit.show_error(error)
            self._show_how()

        dialog = LineDialog("How to answer", SETTINGS_ABOUT, str(self._settings))
        self.app.push_screen(dialog, written)

    def action_page(self, direction: int) -> None:
        self.query_one(Answers).action_scroll(direction * PAGE_ROWS)

    def action_back(self) -> None:
        if isinstance(self.focused, Input):
            self.query_one(Answers).focus()
        elif self._from_run:
            self.cockpit.show_run(self.run)
        else:
            self.cockpit.action_runs()


def _told(problem: CockpitError | OSError) -> CockpitError:
    if isinstance(problem, CockpitError):
        return problem
    remedy = "Free some memory or space, then ask again."
    return CockpitError("The model could not be tried", str(problem), remedy)
