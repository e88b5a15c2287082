"""What every full screen shares: its app by its own type, and errors that end in a dialog."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from textual.screen import Screen
from textual.worker import get_current_worker

from cockpit.errors import CockpitError
from cockpit.ui.screens.dialogs import Question

if TYPE_CHECKING:
    from cockpit.ui.app import CockpitApp

Result = TypeVar("Result")


class CockpitScreen(Screen[None]):
    """A screen of the cockpit. Files are read and commands written in its workers only."""

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def ask(self, question: Question, then: Callable[[], object]) -> None:
        """Opens a question; does ``then`` if the answer is yes."""

        def answered(yes: bool | None) -> None:
            if yes:
                then()

        self.app.push_screen(question, answered)

    def attempt(self, work: Callable[[], Result], then: Callable[[Result], object]) -> None:
        """In a worker thread: does ``work`` and hands its result to the screen's own thread.

        A failure is shown in a dialog; a result that nobody waits for any more is dropped.
        """
        try:
            result = work()
        except CockpitError as error:
            self.deliver(self.cockpit.show_error, error)
        except OSError as error:
            said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            remedy = "Check the path, its permissions and the space left."
            failure = CockpitError("A file could not be used", said, remedy)
            self.deliver(self.cockpit.show_error, failure)
        else:
            self.deliver(then, result)

    def deliver(self, then: Callable[[Result], object], result: Result) -> None:
        """From a worker thread: calls ``then`` in the screen's thread, if the worker is wanted."""
        if not get_current_worker().is_cancelled and self.app.is_running:
            self.app.call_from_thread(then, result)
