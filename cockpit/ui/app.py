"""The application: which screen is shown, what works everywhere, how it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from cockpit.errors import CockpitError
from cockpit.system.run_dir import RunDir
from cockpit.ui import environment, farewell
from cockpit.ui.format import plain
from cockpit.ui.palette import Actions
from cockpit.ui.screens.dialogs import Question, error_dialog
from cockpit.ui.themes import COCKPIT, TERMINAL

if TYPE_CHECKING:
    from cockpit.core.plan import RunPlan

Start = Literal["choose", "runs"]


class CockpitApp(App[None]):
    """Opens on the choice of a run, the list of runs, or one run."""

    TITLE = "MLX Cockpit"
    CSS_PATH: ClassVar[list[str]] = [  # type: ignore[assignment]
        "app.tcss",
        "screens/dialogs.tcss",
        "screens/choose.tcss",
        "screens/run.tcss",
        "screens/runs.tcss",
    ]
    COMMANDS = {Actions}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (150, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall"), (48, "-high")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new_run", "New run", tooltip="Choose a model, data and a plan"),
        Binding("r", "runs", "Runs", tooltip="All runs: attach, stop, show"),
        Binding(
            "question_mark", "help", "Keys", key_display="?", tooltip="Every key of this screen"
        ),
        Binding("ctrl+p", "command_palette", "Commands", tooltip="All actions", priority=True),
        Binding("q", "leave", "Quit", tooltip="Leave the cockpit; training goes on"),
        Binding("ctrl+q", "quit", "Quit now", show=False, priority=True),
    ]

    def __init__(
        self,
        start: Start | RunDir = "choose",
        choose_defaults: RunPlan | None = None,
        surroundings: environment.Surroundings | None = None,
    ) -> None:
        super().__init__()
        self.surroundings = surroundings or environment.look()
        self.choose_defaults = choose_defaults
        self._start = start
        self.register_theme(COCKPIT)
        self.register_theme(TERMINAL)
        few_colours = self.no_color or self.console.color_system in ("standard", None)
        self.theme = TERMINAL.name if few_colours else COCKPIT.name

    def get_default_screen(self) -> Screen[Any]:
        if isinstance(self._start, RunDir):
            from cockpit.ui.screens.run import RunScreen

            return RunScreen(self._start)
        return self.get_screen(self._start)

    def on_load(self) -> None:
        from cockpit.ui.screens.choose import ChooseScreen
        from cockpit.ui.screens.runs import RunsScreen

        self.install_screen(ChooseScreen(self.choose_defaults), "choose")
        self.install_screen(RunsScreen(), "runs")

    def show_run(self, run: RunDir) -> None:
        """Replaces the current screen by that of ``run``."""
        from cockpit.ui.screens.run import RunScreen

        self.switch_screen(RunScreen(run))

    def show_error(self, error: CockpitError) -> None:
        """The error in a dialog, unless it is the one already there."""
        self.push_screen(error_dialog(error))

    def say(self, text: str, *, warn: bool = False) -> None:
        """A short notice that goes by itself."""
        self.notify(plain(text), markup=False, severity="warning" if warn else "information")

    def action_new_run(self) -> None:
        self.switch_screen("choose")

    def action_runs(self) -> None:
        self.switch_screen("runs")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The way to a screen is not offered on that screen."""
        here = {"new_run": "choose", "runs": "runs"}.get(action)
        return not (here and self.screen_stack and self.screen is self._installed_screens[here])

    def action_help(self) -> None:
        from cockpit.ui.help import help_dialog

        self.push_screen(help_dialog(self.screen))

    @work(thread=True, exclusive=True, group="leave")
    def action_leave(self) -> None:
        active = farewell.active_runs()
        if active:
            self.call_from_thread(self._ask_to_leave, active)
        else:
            self.call_from_thread(self.exit)

    def _ask_to_leave(self, active: list[str]) -> None:
        text = "\n".join(farewell.lines(active))
        question = Question("Quit the cockpit?", text, again="q")
        self.push_screen(question, lambda yes: self.exit() if yes else None)
