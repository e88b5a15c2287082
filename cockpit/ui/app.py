"""The application: what is painted first, which screen is shown, and how it is left.

Only textual is imported before the first paint. The screens bring pydantic and the run
directories with them, and are imported in a worker while the frame is already there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType

from cockpit.core.format import plain
from cockpit.errors import CockpitError
from cockpit.ui import environment
from cockpit.ui.action_names import EVERYWHERE, named
from cockpit.ui.appearance import BRIGHT, DARK, appearance, remember
from cockpit.ui.palette import Actions
from cockpit.ui.screens.dialogs import Question, error_dialog
from cockpit.ui.themes import COCKPIT, LIGHT, TERMINAL, terminal_has_few_colours
from cockpit.ui.tracing import Tracer
from cockpit.ui.widgets.top_bar import TopBar, host_note

if TYPE_CHECKING:
    from cockpit.core.plan import RunPlan
    from cockpit.system.run_dir import RunDir
    from cockpit.ui.keymap import OwnKeys

StartScreen = Literal["choose", "runs"]


class CockpitApp(App[None]):
    """Opens on the choice of a run, the list of runs, or one run."""

    TITLE = "MLX Cockpit"
    CSS_PATH = "app.tcss"
    COMMANDS = {Actions}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (150, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall"), (48, "-high")]
    BINDINGS: ClassVar[list[BindingType]] = named(
        EVERYWHERE,
        [
            Binding("n", "new_run", "New run", tooltip="Choose a model, data and a plan"),
            Binding("r", "runs", "Runs", tooltip="All runs: attach, stop, show"),
            Binding("D", "data", "Data", tooltip="Examine a data set before it is trained on"),
            Binding("L", "turn_light", "Light/dark", show=False, tooltip="Light or dark colours"),
            Binding("question_mark", "help", "Keys", key_display="?", tooltip="All that work here"),
            Binding("ctrl+p", "command_palette", "Commands", tooltip="All actions", priority=True),
            Binding("q", "leave", "Quit", tooltip="Leave the cockpit; training goes on"),
            Binding("ctrl+q", "quit", "Quit now", show=False, priority=True),
        ],
    )

    def __init__(
        self,
        start: StartScreen | RunDir = "choose",
        choose_defaults: RunPlan | None = None,
        surroundings: environment.Surroundings | None = None,
    ) -> None:
        few_colours = terminal_has_few_colours()
        super().__init__(ansi_color=few_colours or None)
        self.surroundings = surroundings or environment.look()
        self.choose_defaults = choose_defaults
        self._start = start
        self._opened = False
        self.prompts_asked: list[str] = []
        self.tracer = Tracer()
        for theme in (COCKPIT, LIGHT, TERMINAL):
            self.register_theme(theme)
        shades = COCKPIT if appearance() == DARK else LIGHT
        self.theme = TERMINAL.name if few_colours else shades.name

    @property
    def crash(self) -> BaseException | None:
        """What ended the interface, if it did not end by itself."""
        return self._exception

    def _fatal_error(self) -> None:
        """Ends the app without Textual's page of traceback and locals: see ``crash``."""
        self._close_messages_no_wait()

    def on_unmount(self) -> None:
        self.tracer.close()

    def compose(self) -> ComposeResult:
        yield TopBar("opening…", host_note(self.surroundings.remote))

    def on_mount(self) -> None:
        self.call_after_refresh(self._open)

    @work(thread=True)
    def _open(self) -> None:
        from cockpit.ui.screens import choose, run, runs

        own = self._own_keys()

        def show() -> None:
            if own is not None:
                self.set_keymap(dict(own.keymap))
            self.install_screen(choose.ChooseScreen(self.choose_defaults), "choose")
            self.install_screen(runs.RunsScreen(), "runs")
            self._opened = True
            start = self._start
            self.push_screen(start if isinstance(start, str) else run.RunScreen(start))
            for problem in own.problems if own is not None else ():
                self.say(problem, warn=True)

        self.call_from_thread(show)

    @staticmethod
    def _own_keys() -> OwnKeys | None:
        """Whoever has no file of keys does not wait for all screens to be imported."""
        from cockpit.system import home

        if not (path := home.keys_path()).exists():
            return None
        from cockpit.ui import keymap

        return keymap.read(path)

    def show_run(self, run: RunDir) -> None:
        """Replaces the current screen by that of ``run``."""
        from cockpit.ui.screens.run import RunScreen

        self.close_dialogs()
        self.switch_screen(RunScreen(run))

    def close_dialogs(self) -> None:
        """Whatever was opened over the screen meanwhile: only that is to be replaced."""
        while len(self.screen_stack) > 2:
            self.pop_screen()

    def show_error(self, error: CockpitError) -> None:
        """The error in a dialog."""
        self.push_screen(error_dialog(error))

    def say(self, text: str, *, warn: bool = False) -> None:
        """A short notice that goes by itself."""
        self.notify(plain(text), markup=False, severity="warning" if warn else "information")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The way to a screen is not offered on that screen, nor before there are screens."""
        if action == "data":
            return self._opened and len(self.screen_stack) == 2  # not over a dialog or itself
        place = {"new_run": "choose", "runs": "runs"}.get(action)
        if place is None:
            return True
        return self._opened and self._installed_screens[place] not in self.screen_stack

    def action_turn_light(self) -> None:
        """Where the terminal's own colours are used, they stay."""
        if self.theme != TERMINAL.name:
            chosen = LIGHT if self.theme == COCKPIT.name else COCKPIT
            self.theme = chosen.name
            remember(DARK if chosen is COCKPIT else BRIGHT)

    def action_new_run(self) -> None:
        self.switch_screen("choose")

    def action_runs(self) -> None:
        self.switch_screen("runs")

    def action_data(self) -> None:
        """Opens over the screen, on the data and the model that are chosen for a new run."""
        from cockpit.ui.data_check import FIELDS
        from cockpit.ui.screens.choose import ChooseScreen
        from cockpit.ui.screens.data import DataScreen

        choose = self.get_screen("choose", ChooseScreen)
        texts = {name: choose.draft.text(name) for name in FIELDS}
        self.push_screen(DataScreen(choose.draft.text("data"), choose.model, texts))

    def action_help(self) -> None:
        from cockpit.ui.help import help_dialog

        self.push_screen(help_dialog(self.screen))

    @work(thread=True, exclusive=True, group="leave")
    def action_leave(self) -> None:
        from cockpit.ui import farewell

        if active := farewell.active_runs():
            self.call_from_thread(self._ask_to_leave, "\n".join(farewell.lines(active)))
        else:
            self.call_from_thread(self.exit)

    def _ask_to_leave(self, text: str) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self.exit()

        self.push_screen(Question("Quit the cockpit?", text, again="q"), answered)
