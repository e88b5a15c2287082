"""From a plan to its run, or to its time: weighed once more, asked about if it does not fit."""

from __future__ import annotations

from collections.abc import Callable

from textual import work

from cockpit.core import format as fmt
from cockpit.errors import CockpitError
from cockpit.system.pace import Pace, brief
from cockpit.ui import assessment, fitting
from cockpit.ui.assessment import Figure, Subject
from cockpit.ui.fitting import Fitting
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.fit_question import FitQuestion
from cockpit.ui.screens.timing import TimingDialog
from cockpit.ui.timing import Timing
from cockpit.ui.widgets.estimate import methods


class LaunchingScreen(CockpitScreen):
    """Launches or times one plan at a time; the tracing process is there while it does not."""

    def __init__(self) -> None:
        super().__init__()
        self.launching = False

    def time(self, subject: Subject, known: Figure | None, then: Callable[[], object]) -> None:
        """Times the plan of ``subject``, whose forecast may be known; ``then`` however it ended."""

        def ended(outcome: Pace | CockpitError | None) -> None:
            self.settle_tracer(True)
            then()
            if isinstance(outcome, CockpitError):
                self.cockpit.show_error(outcome)
            elif outcome is not None:
                each = brief(outcome.update_seconds(subject.plan))
                self.cockpit.say(f"{each} an update, {outcome.source}")

        self.app.push_screen(TimingDialog(Timing(subject, known, self.cockpit.tracer)), ended)

    def launch(self, subject: Subject, known: Figure | None) -> None:
        """Launches the plan of ``subject``, whose forecast may be known."""
        self.cockpit.say("Launching…")
        self._weigh(subject, known)

    @work(thread=True, group="launch", exclusive=True)
    def _weigh(self, subject: Subject, known: Figure | None) -> None:
        tracer = self.cockpit.tracer

        def weighed() -> tuple[Figure, Fitting | None]:
            figure = assessment.weigh(subject, known, tracer)
            if not figure.exceeds:
                return figure, None
            return figure, fitting.first(assessment.assess(subject), tracer)

        self.attempt(weighed, self._confirm)

    def _confirm(self, weighed: tuple[Figure, Fitting | None]) -> None:
        figure, found = weighed
        forecast = figure.forecast
        if forecast is None or not figure.exceeds:
            self._launch(figure)
            return
        peak, budget = fmt.gigabytes(forecast.needed_bytes), fmt.gigabytes(forecast.budget_bytes)
        said = (
            f"{peak} ({methods(forecast)[0]}) is above this machine's budget of {budget}; "
            "the run may be killed for memory."
        )
        change = found.advice.cheapest if found is not None else None
        question = FitQuestion(said, fitting.change_in_words(change) if change else None)

        def answered(yes: bool | None) -> None:
            if yes and question.anyway:
                self._launch(figure)
            elif yes and change is not None:
                plan = figure.subject.plan.with_changes(**change.fields)
                document = change.forecast.document(forecast.budget_bytes)
                self._launch(Figure(Subject(plan, figure.subject.profile), document))

        self.app.push_screen(question, answered)

    def _launch(self, figure: Figure) -> None:
        self._set_launching(True)
        self._launch_in_background(figure)

    @work(thread=True, group="launch", exclusive=True)
    def _launch_in_background(self, figure: Figure) -> None:
        plan, document, tracer = figure.subject.plan, figure.document, self.cockpit.tracer
        try:
            self.attempt(lambda: assessment.launch(plan, document, tracer), self.cockpit.show_run)
        finally:
            self.deliver(self._set_launching, False)

    def _set_launching(self, launching: bool) -> None:
        self.launching = launching
        self.refresh_bindings()
        if not launching and self in self.app.screen_stack:
            self.settle_tracer(True)  # the launch failed and the choice goes on

    # The tracing process is there while this screen is, be it under a dialog.

    def on_screen_resume(self) -> None:
        self.settle_tracer(True)

    def on_screen_suspend(self) -> None:
        self.settle_tracer(self in self.app.screen_stack)

    def settle_tracer(self, wanted: bool) -> None:
        """Starts or ends the tracing process in the background."""
        tracer = self.cockpit.tracer
        tracer.allow() if wanted and not self.launching else tracer.forbid()
        self.call_after_refresh(self.run_worker, tracer.settle, thread=True, group="tracer")
