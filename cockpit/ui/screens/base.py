"""What every full screen shares: its app by its own type, and errors that end in a dialog."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from textual import work
from textual.screen import Screen
from textual.worker import get_current_worker

from cockpit.errors import CockpitError
from cockpit.ui.action_names import named, place_of
from cockpit.ui.screens.dialogs import Question

if TYPE_CHECKING:
    from cockpit.system.resume import ResumePlan
    from cockpit.system.run_dir import RunDir
    from cockpit.ui.app import CockpitApp

Result = TypeVar("Result")


class CockpitScreen(Screen[None]):
    """A screen of the cockpit. Files are read and commands written in its workers only."""

    def __init_subclass__(cls, **options: bool) -> None:
        if "BINDINGS" in cls.__dict__:
            cls.BINDINGS = named(place_of(cls.__name__), cls.BINDINGS)
        super().__init_subclass__(**options)

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

    @work(thread=True, group="resume", exclusive=True)
    def offer_to_resume(self, run: RunDir) -> None:
        """Says how the run would go on, and starts it after a yes; or shows its ways on."""
        from cockpit.ui import recovering, resuming

        def offer(prepared: ResumePlan) -> None:
            question = Question(f"Resume {run.name}?", resuming.in_words(prepared), again="R")
            self.ask(question, lambda: self._resume(prepared))

        if recovering.wants_recovery(run):
            self.deliver(self.recover, run)
        else:
            self.attempt(lambda: resuming.prepare(run), offer)

    @work(thread=True, group="resume", exclusive=True)
    def _resume(self, prepared: ResumePlan) -> None:
        from cockpit.ui import resuming

        self.attempt(lambda: resuming.start(prepared, self.cockpit.tracer), self.resumed)

    def recover(self, run: RunDir) -> None:
        """Shows what ended the run and its ways on."""
        from cockpit.ui.screens.recover import RecoverScreen

        self.app.switch_screen(RecoverScreen(run))

    def resumed(self, run: RunDir) -> None:
        """The run goes on: shows it."""
        self.cockpit.show_run(run)
