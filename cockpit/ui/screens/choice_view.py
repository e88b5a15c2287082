"""What is known about the plan of the form, put on the form and on the lines beneath it."""

from __future__ import annotations

from collections.abc import Callable

from cockpit.core.profiles import HardwareProfile
from cockpit.ui import fitting
from cockpit.ui.explanation import explanation, in_short
from cockpit.ui.inquiry import Inquiry
from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.widgets.estimate import Estimate
from cockpit.ui.widgets.plan_form import PlanForm


class ChoiceView:
    """Shows what an inquiry found about the plan of ``draft`` for the model that is chosen."""

    def __init__(self, screen: CockpitScreen, draft: PlanDraft, model: Callable[[], str]):
        self._screen = screen
        self._draft = draft
        self._model = model

    @property
    def _estimate(self) -> Estimate:
        return self._screen.query_one(Estimate)

    @property
    def _form(self) -> PlanForm:
        return self._screen.query_one(PlanForm)

    def explain_field(self) -> None:
        """What the field under the cursor means, or what is wrong with it."""
        estimate, form = self._estimate, self._form
        problem = form.problem(form.current)
        estimate.about = f"{form.current}: {problem or form.about(form.current)}"
        estimate.redraw()

    def note_machine(self, profile: HardwareProfile | None) -> None:
        """What the machine is that the plan is held against."""
        self._form.profile_note = "" if profile is None else profile.title
        self._form.redraw()

    def show_assessment(self, inquiry: Inquiry) -> None:
        """What the files say."""
        found, form = inquiry.found, self._form
        self._draft.train_examples = found.train_examples
        form.findings = {name: problem.title for name, problem in found.findings if name}
        form.data_note = found.data
        form.redraw()
        self.show_figure(inquiry)
        self.show_problems(inquiry)

    def show_figure(self, inquiry: Inquiry) -> None:
        """The forecast, how far it is, and what fits beside the plan."""
        estimate, figure = self._estimate, inquiry.figure
        estimate.forecast = figure.forecast if figure is not None else None
        estimate.reason = figure.reason if figure is not None else ""
        estimate.stale, estimate.waiting = inquiry.stale, inquiry.waiting
        estimate.tracing_seconds = inquiry.tracing_seconds
        estimate.searching, estimate.prospects = inquiry.searching, inquiry.prospects
        self._show_fitting(inquiry)
        estimate.redraw()

    def _show_fitting(self, inquiry: Inquiry) -> None:
        fitted, form, stale = inquiry.fitting, self._form, inquiry.fitting_stale
        form.hints = fitting.hints(fitted.advice, stale=stale) if fitted is not None else {}
        form.redraw()
        self._estimate.fit = fitting.offer(fitted.advice) if fitted and not stale else ""
        self._screen.refresh_bindings()

    def show_tracing(self, inquiry: Inquiry) -> None:
        """A slow trace says that it is still at it."""
        if inquiry.tracing_seconds is not None:
            self._estimate.tracing_seconds = inquiry.tracing_seconds
            self._estimate.redraw()

    def show_problems(self, inquiry: Inquiry) -> None:
        """What stands in the way: a field, the plan as a whole, or what the files say."""
        estimate, found = self._estimate, inquiry.found
        estimate.problems, of_fields = self._of_the_form()
        if not of_fields:
            estimate.problems += [in_short(problem) for _, problem in found.findings]
        estimate.warnings = found.warnings
        self.explain_field()
        self._screen.refresh_bindings()

    def explanation(self, inquiry: Inquiry) -> str:
        """All of it, for a dialog; empty if nothing is known."""
        found, forecast = inquiry.found, self._estimate.forecast
        own, _ = self._of_the_form()
        return explanation(own, found, forecast, inquiry.fitting, inquiry.prospects)

    def _of_the_form(self) -> tuple[list[str], bool]:
        """What is wrong with the plan as it is typed, and whether single fields are."""
        of_fields = [f"{name}: {said}" for name, said in self._draft.problems().items()]
        if of_fields:
            return of_fields, True
        whole = self._draft.trouble(self._model())
        return [whole] if whole else [], False
