"""Choosing what to train: model, data, machine and plan, checked before anything is launched."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Input

from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.system.run_dir import RunDir
from cockpit.ui import assessment, plan_fields
from cockpit.ui.assessment import Assessment
from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.presets import base_plan
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.dialogs import Question
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.estimate import Estimate, fits
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.model_list import ModelFilter, ModelList
from cockpit.ui.widgets.plan_form import PlanForm
from cockpit.ui.widgets.top_bar import TopBar, host_note

# A burst of keys is looked at once, when it pauses.
PAUSE_SECONDS = 0.25


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
        Binding("e", "explain", "Explain", tooltip="The problems in full"),
    ]

    def __init__(self, defaults: RunPlan | None = None) -> None:
        super().__init__()
        self._defaults = defaults
        self._model = defaults.model if defaults is not None else "nano"
        self.draft = PlanDraft(base_plan(self._model, defaults))
        self._profiles: dict[str, HardwareProfile] = {}
        self._assessing = False
        self._look_again = False
        self._found = Assessment()
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
        about = plan_fields.field(form.current).about
        estimate.about = f"{form.current}: {problem or about}"
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
        estimate = self.query_one(Estimate)
        estimate.waiting = True
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE_SECONDS, self._look)
        self._show_problems()

    def _look(self) -> None:
        """Assesses the plan unless that is under way; then it does so once more, at the end."""
        plan = self._plan()
        if plan is None:
            self._show_assessment(Assessment.of_data(self._found))
        elif self._assessing:
            self._look_again = True
        else:
            self._assessing, self._look_again = True, False
            self._assess(plan, self._profiles.get(self.draft.profile))

    @work(thread=True, group="assess")
    def _assess(self, plan: RunPlan, profile: HardwareProfile | None) -> None:
        try:
            self.attempt(lambda: assessment.assess(plan, profile), self._show_assessment)
        finally:
            self.deliver(self._assessed, None)

    def _assessed(self, _: None) -> None:
        self._assessing = False
        if self._look_again:
            self._look()

    def _show_assessment(self, found: Assessment) -> None:
        self._found = found
        self.draft.train_examples = found.train_examples
        form, estimate = self.query_one(PlanForm), self.query_one(Estimate)
        form.findings = {name: problem.title for name, problem in found.findings if name}
        form.data_note = found.data
        form.redraw()
        estimate.forecast, estimate.waiting = found.forecast, self._look_again
        self._show_problems()

    def _show_problems(self) -> None:
        estimate = self.query_one(Estimate)
        estimate.problems = [f"{name}: {said}" for name, said in self.draft.problems().items()]
        if not estimate.problems:
            estimate.problems = self._plan_problem()
            estimate.problems += [_short(problem) for _, problem in self._found.findings]
        self._explain_field()
        self.refresh_bindings()

    def _plan_problem(self) -> list[str]:
        try:
            self.draft.plan(self._model)
        except ValueError as error:
            return [str(error)]
        return []

    def _plan(self) -> RunPlan | None:
        try:
            return self.draft.plan(self._model)
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
            return True if self._found.findings else None
        return True

    def action_explain(self) -> None:
        if self._found.findings:
            self.cockpit.show_error(self._found.findings[0][1])

    def action_launch(self) -> None:
        self.query_one(PlanForm).finish()
        try:
            plan = self.draft.plan(self._model)
        except ValueError as error:
            self.cockpit.show_error(
                CockpitError("The plan is not ready", str(error), "Correct the fields marked ✗.")
            )
            return
        forecast = self._found.forecast
        verdict = fits(forecast)[0] if forecast is not None else ""
        if verdict != "does not fit":
            self._launch(plan)
            return
        text = "The rough estimate is above the budget; the run may be killed for memory."
        question = Question("Launch although it may not fit?", text)
        self.ask(question, lambda: self._launch(plan))

    def _launch(self, plan: RunPlan) -> None:
        self._launching = True
        self.refresh_bindings()
        self.cockpit.say("Launching…")
        self._launch_in_background(plan)

    @work(thread=True, group="launch", exclusive=True)
    def _launch_in_background(self, plan: RunPlan) -> None:
        document = self._found.document
        try:
            self.attempt(lambda: assessment.launch(plan, document), self._launched)
        finally:
            self.deliver(self._set_launching, False)

    def _set_launching(self, launching: bool) -> None:
        self._launching = launching
        self.refresh_bindings()

    def _launched(self, run: RunDir) -> None:
        self.cockpit.show_run(run)


def _short(problem: CockpitError) -> str:
    return f"{problem.title}: {problem.message}" if problem.message else problem.title
