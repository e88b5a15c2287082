"""What is being found out about the plan of the form, in worker threads, the newest plan only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.timer import Timer

from cockpit.ui import assessment, fitting
from cockpit.ui.assessment import Assessment, Figure, Subject
from cockpit.ui.fitting import Fitting
from cockpit.ui.latest import Latest
from cockpit.ui.prospects import Prospects
from cockpit.ui.tracing import Tracer

if TYPE_CHECKING:
    from cockpit.ui.screens.base import CockpitScreen

# A burst of keys is looked at once, when it pauses.
PAUSE_SECONDS = 0.3
# A trace of a plan that is no longer asked for may take this long to end by itself.
GIVE_WAY_SECONDS = 5.0


class Inquiry:
    """Three stages: the files, the traced forecast, and what fits beside the plan.

    ``ask_soon`` begins with whatever ``subject`` says once the keys pause, and calls off what is
    under way for another plan. ``assessed`` and ``changed`` are called in the screen's thread.
    """

    def __init__(
        self,
        screen: CockpitScreen,
        subject: Callable[[], Subject | None],
        assessed: Callable[[], object],
        changed: Callable[[], object],
    ):
        self._screen = screen
        self._subject = subject
        self._tell_assessed = assessed
        self._tell_changed = changed
        self.found = Assessment()
        self.traced: Figure | None = None
        self._fitting: Fitting | None = None
        self._assessments = Latest[Subject](self._begin_assessment)
        self._traces = Latest[Assessment](self._begin_trace)
        self._searches = Latest[Assessment](self._begin_search)
        self._pending = False
        self._pause: Timer | None = None
        self._trace_began: float | None = None

    @property
    def waiting(self) -> bool:
        """Whether the plan as it stands was not looked at yet."""
        return self._pending or self._assessments.busy

    @property
    def tracing_seconds(self) -> float | None:
        """How long the trace that is under way has taken; None if there is none."""
        return None if self._trace_began is None else time.monotonic() - self._trace_began

    @property
    def searching(self) -> bool:
        """Whether it is being found out what fits."""
        return self._searches.busy

    @property
    def figure(self) -> Figure | None:
        """The traced figure if it is of this plan or nearly so, else the rough one."""
        figure, traced = self.found.figure, self.traced
        if figure is not None and traced is not None and figure.subject.is_like(traced.subject):
            return traced
        return figure

    @property
    def stale(self) -> bool:
        """Whether ``figure`` is of the plan as it was."""
        return self._is_stale(self.figure.subject) if self.figure is not None else False

    @property
    def prospects(self) -> Prospects | None:
        """What the plan comes to, as far as it is known."""
        found, figure = self.found.prospects, self.figure
        if found is None or figure is None or figure.counted is None or self.stale:
            return found
        tokens, cut_share = figure.counted
        return replace(found, tokens=tokens, cut_share=cut_share)

    @property
    def fitting(self) -> Fitting | None:
        """What fits beside this plan or one that is nearly it."""
        figure, known = self.found.figure, self._fitting
        if figure is None or known is None or not figure.subject.is_like(known.subject):
            return None
        return known

    @property
    def fitting_stale(self) -> bool:
        """Whether ``fitting`` is of the plan as it was."""
        return self._fitting is not None and self._is_stale(self._fitting.subject)

    def ask_soon(self) -> None:
        """Looks at data and plan once the keys pause."""
        self._pending = True
        self._searches.drop()
        if self._pause is not None:
            self._pause.stop()
        self._pause = self._screen.set_timer(PAUSE_SECONDS, self._ask)
        self._tell_changed()

    def _ask(self) -> None:
        self._pending = False
        subject = self._subject()
        if subject is None:
            self._assessments.drop()
            self._take_assessment(Assessment.of_data(self.found))
        else:
            self._assessments.ask(subject)

    def _is_stale(self, subject: Subject) -> bool:
        figure = self.found.figure
        return self.waiting or figure is None or figure.subject != subject

    @property
    def _tracer(self) -> Tracer:
        return self._screen.cockpit.tracer

    # The files.

    def _begin_assessment(self, subject: Subject) -> None:
        def work() -> None:
            try:
                self._screen.attempt(lambda: assessment.assess(subject), self._take_assessment)
            finally:
                self._screen.deliver(self._assessment_ended, None)

        self._screen.run_worker(work, thread=True, group="assess")

    def _take_assessment(self, found: Assessment) -> None:
        self.found = found
        self._tell_assessed()
        if found.figure is not None and found.checked is not None and not self._is_traced:
            if self._traces.busy or self._searches.busy:
                self._tracer.give_way(GIVE_WAY_SECONDS)
            self._traces.ask(found)

    def _assessment_ended(self, _: None) -> None:
        self._assessments.finished()
        self._search_if_due()
        self._tell_changed()

    # The traced forecast.

    @property
    def _is_traced(self) -> bool:
        figure, traced = self.found.figure, self.traced
        return figure is not None and traced is not None and traced.subject == figure.subject

    def _begin_trace(self, found: Assessment) -> None:
        tracer = self._tracer
        self._trace_began = time.monotonic()

        def work() -> None:
            try:
                self._screen.attempt(lambda: assessment.traced(found, tracer), self._take_traced)
            finally:
                self._screen.deliver(self._trace_ended, None)

        self._screen.run_worker(work, thread=True, group="trace")

    def _take_traced(self, figure: Figure | None) -> None:
        self.traced = figure or self.traced

    def _trace_ended(self, _: None) -> None:
        self._trace_began = None
        self._traces.finished()
        self._search_if_due()
        self._tell_changed()

    # What fits.

    def _search_if_due(self) -> None:
        known, figure = self._fitting, self.found.figure
        if self.waiting or not self._is_traced or figure is None:
            return
        if known is None or known.subject != figure.subject or not known.advice.done:
            self._searches.ask(self.found)

    def _begin_search(self, found: Assessment) -> None:
        tracer = self._tracer

        def wanted() -> bool:
            return self.found is found and not self._pending

        def work() -> None:
            try:
                for fitted in fitting.search(found, tracer, wanted):
                    self._screen.deliver(self._take_fitting, fitted)
            finally:
                self._screen.deliver(self._search_ended, None)

        self._screen.run_worker(work, thread=True, group="fit")

    def _take_fitting(self, fitted: Fitting) -> None:
        self._fitting = fitted
        self._tell_changed()

    def _search_ended(self, _: None) -> None:
        self._searches.finished()
        self._tell_changed()
