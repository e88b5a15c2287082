"""While a plan is timed: how it goes, and the key that calls it off."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import get_current_worker

from cockpit.core import format as fmt
from cockpit.errors import CockpitError
from cockpit.ui.timing import Timing
from cockpit.ui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from cockpit.system.pace import Pace

TOLD_SECONDS = 0.5
# Lines below which only how it goes is told.
TINY = 12
ABOUT = (
    "The real trainer makes a few updates of exactly this plan and is ended then. Nothing of it "
    "is kept but the time, and no run is listed."
)


class TimingDialog(ModalScreen["Pace | CockpitError"]):
    """Dismisses with the pace, with what went wrong, or with None if it was called off."""

    CSS_PATH: ClassVar[str] = "dialogs.tcss"
    DEFAULT_CSS = """
    TimingDialog #said { height: auto; margin: 1 0; text-style: bold; }
    TimingDialog.-tiny #said { margin: 0; }
    TimingDialog.-tiny #title, TimingDialog.-tiny #text { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,t,q", "close", "Call it off")]

    def __init__(self, timing: Timing) -> None:
        super().__init__(classes="dialog -question")
        self._timing = timing
        self._outcome: Pace | CockpitError | None = None
        self._over = False

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content("Timing this plan"), id="title")
            yield Static(Content(ABOUT), id="text")
            yield Static(Content(""), id="said")
            yield KeyBar()

    def on_mount(self) -> None:
        self._tell()
        self.set_interval(TOLD_SECONDS, self._tell)
        self._measure()

    def on_resize(self) -> None:
        self.set_class(self.size.height < TINY, "-tiny")

    def on_unmount(self) -> None:
        self._timing.cancel()

    def action_close(self) -> None:
        self._timing.cancel()
        self.dismiss(None)

    def _tell(self) -> None:
        self.query_one("#said", Static).update(Content(fmt.plain(self._timing.said)))
        self._leave()

    @work(thread=True)
    def _measure(self) -> None:
        outcome: Pace | CockpitError | None
        try:
            outcome = self._timing.measure()
        except CockpitError as error:
            outcome = error
        except OSError as error:
            remedy = "Check the temporary folder, its permissions and the space left."
            outcome = CockpitError("The plan could not be timed", str(error), remedy)
        if not get_current_worker().is_cancelled and self.app.is_running:
            self.app.call_from_thread(self._done, outcome)

    def _done(self, outcome: Pace | CockpitError | None) -> None:
        self._outcome, self._over = outcome, True
        self._leave()

    def _leave(self) -> None:
        """With the outcome, once whatever was opened over this is closed."""
        if self._over and self.is_current:
            self.dismiss(self._outcome)
