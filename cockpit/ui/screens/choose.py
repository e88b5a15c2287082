"""Choosing what to train: model, data, machine and plan, checked before anything is launched."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Input

from cockpit.core import format as fmt
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.ui import assessment
from cockpit.ui.assessment import Assessment, Figure, Subject
from cockpit.ui.latest import Latest
from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.presets import base_plan
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.dialogs import Question, TextDialog
from cockpit.ui.spans import pad
from cockpit.ui.view import Forecast
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.estimate import Estimate, fits, methods, notes_of
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.model_list import ModelFilter, ModelList
from cockpit.ui.widgets.parts import largest_first
from cockpit.ui.widgets.plan_form import PlanForm
from cockpit.ui.widgets.top_bar import TopBar, host_note

# A burst of keys is looked at once, when it pauses.
PAUSE_SECONDS = 0.3


class ChooseScreen(CockpitScreen):
    """Model list, plan form, estimate. Everything slow happens in workers."""

    AUTO_FOCUS = "#models"

    CSS_PATH = "choose.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r,f5", "launch", "Launch", tooltip="Start this run in the background"),
        Binding("slash", "filter", "Find model", key_display="/", tooltip="Or type a name or path"),
        Binding("tab,shift+tab", "other_side", "Model/plan", tooltip="To the other list"),
        Binding(
            "f", "all_fields", "All fields", tooltip="Every field of the plan, or the key ones"
        ),
        Binding("e", "explain", "Explain", tooltip="Problems, warnings and the forecast in full"),
    ]

    def __init__(self, defaults: RunPlan | None = None) -> None:
        super().__init__()
        self._defaults = defaults
        self._model = defaults.model if defaults is not None else "nano"
        self.draft = PlanDraft(base_plan(self._model, defaults))
        self._profiles: dict[str, HardwareProfile] = {}
        self._found = Assessment()
        self._traced: Figure | None = None
        self._assessments = Latest[Subject](self._assess)
        self._traces = Latest[Assessment](self._trace)
        self._pending = False
        self._launching = False
        self._pause: Timer | None = None

    def compose(self) -> ComposeResult:
        yield TopBar("New run", host_note(self.cockpit.surroundings.remote))
        with Horizontal(id="choice"):
            with Vertical(id="models-side"):
                yield ModelFilter(id="filter")
                yield ModelList(id="models")
            yield PlanForm(self.draft, id="plan")
        yield Estimate(id="estimate")
        yield KeyBar()

    def on_mount(self) -> None:
        self._explain_field()
        self.call_after_refresh(self._discover)

    @work(thread=True, group="discover", exclusive=True)
    def _discover(self) -> None:
        self.attempt(assessment.discover, self._show_found)

    def _show_found(self, found: assessment.Surroundings) -> None:
        self._profiles = {profile.name: profile for profile in found.profiles}
        self.draft.profiles = tuple(self._profiles)
        self.draft.profile = next(iter(self._profiles), "")
        self._note_budget()
        self.query_one(ModelList).show_models(found.models, self._model)
        for problem in found.problems:
            self.cockpit.say(f"{problem.title}: {problem.message}", warn=True)
        self._look_soon()

    # What the person does.

    @on(ModelList.Picked)
    def _model_picked(self, event: ModelList.Picked) -> None:
        if event.name and event.name != self._model:
            self._model = event.name
            self.draft.rebase(base_plan(self._model, self._defaults))
            self.query_one(PlanForm).redraw()
        self._look_soon()

    @on(PlanForm.Changed)
    def _plan_changed(self, event: PlanForm.Changed) -> None:
        if event.name == "profile":
            self._note_budget()
        self._look_soon()

    @on(CursorList.Moved, "#plan")
    def _explain_field(self) -> None:
        estimate, form = self.query_one(Estimate), self.query_one(PlanForm)
        problem = form.problem(form.current)
        estimate.about = f"{form.current}: {problem or form.about(form.current)}"
        estimate.redraw()

    @on(Input.Changed, "#filter")
    def _narrow(self, event: Input.Changed) -> None:
        self.query_one(ModelList).narrow(event.value)

    @on(ModelFilter.Left)
    @on(Input.Submitted, "#filter")
    def _filtered(self) -> None:
        self.query_one(ModelList).focus()

    @on(CursorList.Chosen, "#models")
    def _model_chosen(self) -> None:
        self.query_one(PlanForm).focus()

    def action_other_side(self) -> None:
        form = self.query_one(PlanForm)
        (self.query_one(ModelList) if form.has_focus_within else form).focus()

    def action_filter(self) -> None:
        self.query_one("#filter", Input).focus()

    def action_all_fields(self) -> None:
        self.query_one(PlanForm).toggle_all()

    # What the machine says about it.

    def _look_soon(self) -> None:
        """Looks at data and plan once the keys pause."""
        self._pending = True
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE_SECONDS, self._look)
        self._show_problems()
        self._show_figure()

    def _look(self) -> None:
        self._pending = False
        subject = self._subject()
        if subject is None:
            self._assessments.drop()
            self._show_assessment(Assessment.of_data(self._found))
        else:
            self._assessments.ask(subject)

    @work(thread=True, group="assess")
    def _assess(self, subject: Subject) -> None:
        try:
            self.attempt(lambda: assessment.assess(subject), self._show_assessment)
        finally:
            self.deliver(self._assessed, None)

    def _assessed(self, _: None) -> None:
        self._assessments.finished()
        self._show_figure()

    def _show_assessment(self, found: Assessment) -> None:
        self._found = found
        self.draft.train_examples = found.train_examples
        form = self.query_one(PlanForm)
        form.findings = {name: problem.title for name, problem in found.findings if name}
        form.data_note = found.data
        form.redraw()
        if found.figure is not None and not self._is_traced(found.figure.subject):
            self._traces.ask(found)
        self._show_figure()
        self._show_problems()

    @work(thread=True, group="trace")
    def _trace(self, found: Assessment) -> None:
        tracer = self.cockpit.tracer
        try:
            self.attempt(lambda: assessment.traced(found, tracer), self._take_traced)
        finally:
            self.deliver(self._trace_ended, None)

    def _take_traced(self, figure: Figure | None) -> None:
        self._traced = figure or self._traced

    def _trace_ended(self, _: None) -> None:
        self._traces.finished()
        self._show_figure()

    def _is_traced(self, subject: Subject) -> bool:
        return self._traced is not None and self._traced.subject == subject

    def _show_figure(self) -> None:
        """The traced figure if it is of this plan or nearly so, else the rough one."""
        estimate = self.query_one(Estimate)
        figure, traced = self._found.figure, self._traced
        waiting = self._pending or self._assessments.busy
        if figure is not None and traced is not None and figure.subject.is_like(traced.subject):
            estimate.stale = waiting or traced.subject != figure.subject
            figure = traced
        else:
            estimate.stale = waiting and figure is not None
        estimate.forecast = figure.forecast if figure is not None else None
        estimate.waiting, estimate.tracing = waiting, self._traces.busy
        estimate.redraw()

    def _show_problems(self) -> None:
        estimate = self.query_one(Estimate)
        estimate.problems = [f"{name}: {said}" for name, said in self.draft.problems().items()]
        if not estimate.problems:
            estimate.problems = self._plan_problem()
            estimate.problems += [_short(problem) for _, problem in self._found.findings]
        estimate.warnings = self._found.warnings
        self._explain_field()
        self.refresh_bindings()

    def _plan_problem(self) -> list[str]:
        try:
            self.draft.plan(self._model)
        except ValueError as error:
            return [str(error)]
        return []

    def _subject(self) -> Subject | None:
        try:
            return Subject(self.draft.plan(self._model), self._profiles.get(self.draft.profile))
        except ValueError:
            return None

    def _note_budget(self) -> None:
        profile = self._profiles.get(self.draft.profile)
        form = self.query_one(PlanForm)
        form.profile_note = "" if profile is None else profile.title
        form.redraw()

    # Launching.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "launch":
            return None if self._launching else True
        if action == "explain":
            return True if self._explanation() else None
        return True

    def _explanation(self) -> str:
        estimate = self.query_one(Estimate) if self.is_mounted else None
        return explanation(self._found, estimate.forecast if estimate is not None else None)

    def action_explain(self) -> None:
        if text := self._explanation():
            kind = "error" if self._found.findings else "plain"
            self.app.push_screen(TextDialog("Before you launch", text, kind=kind))

    def action_launch(self) -> None:
        self.query_one(PlanForm).finish()
        try:
            plan = self.draft.plan(self._model)
        except ValueError as error:
            self.cockpit.show_error(
                CockpitError("The plan is not ready", str(error), "Correct the fields marked ✗.")
            )
            return
        self.cockpit.say("Launching…")
        # It is launched here, whatever machine it was held against.
        self._weigh(Subject(plan, next(iter(self._profiles.values()), None)))

    @work(thread=True, group="launch", exclusive=True)
    def _weigh(self, subject: Subject) -> None:
        tracer, known = self.cockpit.tracer, self._traced
        self.attempt(lambda: assessment.weigh(subject, known, tracer), self._confirm)

    def _confirm(self, figure: Figure) -> None:
        forecast = figure.forecast
        if forecast is None or fits(forecast)[0] != "does not fit":
            self._launch(figure)
            return
        peak, budget = fmt.gigabytes(forecast.peak_bytes), fmt.gigabytes(forecast.budget_bytes)
        text = (
            f"{peak} ({methods(forecast)[0]}) is above this machine's budget of {budget}; "
            "the run may be killed for memory."
        )
        question = Question("Launch although it may not fit?", text)
        self.ask(question, lambda: self._launch(figure))

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
        self._launching = launching
        self.refresh_bindings()
        if not launching and self in self.app.screen_stack:
            self._settle_tracer(True)  # the launch failed and the choice goes on

    # The tracing process is there while this screen is, be it under a dialog.

    def on_screen_resume(self) -> None:
        self._settle_tracer(True)
        if self._profiles:
            self._look_soon()  # the files may have changed meanwhile

    def on_screen_suspend(self) -> None:
        self._settle_tracer(self in self.app.screen_stack)

    def _settle_tracer(self, wanted: bool) -> None:
        tracer = self.cockpit.tracer
        tracer.allow() if wanted and not self._launching else tracer.forbid()
        self.call_after_refresh(self.run_worker, tracer.settle, thread=True, group="tracer")


def explanation(found: Assessment, forecast: Forecast | None) -> str:
    """Everything that is known about the plan, in full; empty if nothing is."""
    parts = [_whole(problem) for _, problem in found.findings]
    parts += [f"! {warning}" for warning in found.warnings]
    if forecast is not None and forecast.peak_bytes is not None:
        band = fmt.band(forecast.low_bytes, forecast.high_bytes)
        head = f"Memory: {fmt.gigabytes(forecast.peak_bytes)} ({band}), {methods(forecast)[0]}"
        sizes = [
            f"  {pad(name, 18)}{fmt.gigabytes(size):>9}"
            for name, size, *_ in largest_first(forecast)
        ]
        parts.append("\n".join([head, *sizes, *(f"  {note}" for note in notes_of(forecast))]))
    return "\n\n".join(parts)


def _whole(problem: CockpitError) -> str:
    remedy = f"→ {problem.remedy}" if problem.remedy else ""
    return "\n".join(part for part in (f"✗ {problem.title}", problem.message, remedy) if part)


def _short(problem: CockpitError) -> str:
    return f"{problem.title}: {problem.message}" if problem.message else problem.title
