"""Timing the plan of the form: weighed first, then trained for a few updates, alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.core import format as fmt
from cockpit.errors import CockpitError
from cockpit.ui import assessment
from cockpit.ui.assessment import Figure, Subject

if TYPE_CHECKING:
    from cockpit.system.pace import Pace
    from cockpit.system.warm_up import WarmUp
    from cockpit.ui.tracing import Tracer


class Timing:
    """One measurement. ``said`` is how it goes; ``cancel`` may be called at any time."""

    def __init__(self, subject: Subject, known: Figure | None, tracer: Tracer):
        """``subject`` is held against this machine; its forecast may be known."""
        self._subject = subject
        self._known = known
        self._tracer = tracer
        self._warm_up: WarmUp | None = None
        self._cancelled = False
        self.said = "weighing the plan…"

    def measure(self) -> Pace | None:
        """The pace, kept for later; None if it was called off. Slow: for a worker thread.

        CockpitError where the plan cannot run, is not expected to fit, or failed.
        """
        from cockpit.memory.verdicts import with_needed_keys
        from cockpit.memory.work import work_of
        from cockpit.system import preflight, warm_up

        plan = preflight.prepare(with_needed_keys(self._subject.plan))
        warm_up.check(plan)
        self._check_memory(assessment.weigh(self._subject, self._known, self._tracer))
        profile = self._subject.profile
        lengths = self._tracer.lengths(plan, profile)
        self._warm_up = warm_up.WarmUp(
            plan,
            profile.budget_bytes if profile is not None else None,
            work_of(plan, lengths) if lengths else None,
        )
        if self._cancelled:
            return None  # and whoever forecasts goes on
        self._tracer.close()
        if self._cancelled:
            return None
        return self._warm_up.measure(self._tell)

    def cancel(self) -> None:
        """Calls it off; ``measure`` returns soon."""
        self._cancelled = True
        if self._warm_up is not None:
            self._warm_up.cancel()

    def _tell(self, text: str) -> None:
        self.said = text

    def _check_memory(self, figure: Figure) -> None:
        forecast = figure.forecast
        if forecast is None or not figure.exceeds:
            return
        raise CockpitError(
            "The plan is not expected to fit, so it is not timed",
            f"{fmt.gigabytes(forecast.needed_bytes)} is above this machine's budget of "
            f"{fmt.gigabytes(forecast.budget_bytes)}.",
            "x makes it fit, where anything does; then time it.",
        )
