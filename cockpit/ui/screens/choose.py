"""Choosing what to train: model, data, machine and plan, checked before anything is launched."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.ui import assessment, fitting
from cockpit.ui.assessment import Subject
from cockpit.ui.explanation import explanation, in_short
from cockpit.ui.inquiry import Inquiry
from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.presets import EMBEDDED, base_plan
from cockpit.ui.screens.dialogs import TextDialog
from cockpit.ui.screens.launching import LaunchingScreen
from cockpit.ui.screens.plan_files import PlanFiles
from cockpit.ui.screens.profiles import ProfilesScreen
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.estimate import Estimate
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.model_list import ModelFilter, ModelList
from cockpit.ui.widgets.plan_form import PlanForm
from cockpit.ui.widgets.top_bar import TopBar, host_note

# How often a slow trace says for how long it has been at it.
CLOCK_SECONDS = 1.0


class ChooseScreen(LaunchingScreen):
    """Model list, plan form, estimate. Everything slow happens in workers."""

    AUTO_FOCUS = "#models"

    CSS_PATH = "choose.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r,f5", "launch", "Launch", tooltip="Start this run in the background"),
        Binding("x", "make_fit", "Make it fit", tooltip="Take the cheapest change that fits"),
        Binding("slash", "filter", "Find model", key_display="/", tooltip="Or type a name or path"),
        Binding("tab,shift+tab", "other_side", "Model/plan", tooltip="To the other list"),
        Binding(
            "f", "all_fields", "All fields", tooltip="Every field of the plan, or the key ones"
        ),
        Binding("m", "machines", "Machine", tooltip="Pick, copy or change a hardware profile"),
        Binding("w", "save_plan", "Save", tooltip="Write the plan as TOML"),
        Binding("o", "open_plan", "Open", tooltip="Take a plan from a file"),
        Binding("y", "copy_command", "Copy", tooltip="The same as an mlx_lm.lora command"),
        Binding("e", "explain", "Explain", tooltip="Problems, the forecast and what fits, in full"),
    ]

    def __init__(self, defaults: RunPlan | None = None) -> None:
        super().__init__()
        self._defaults = defaults
        self._model = defaults.model if defaults is not None else "nano"
        self.draft = PlanDraft(base_plan(self._model, defaults))
        self._profiles: dict[str, HardwareProfile] = {}
        self._folders: list[Path] = []
        # Whether another screen took the place of this one, and not just a dialog.
        self._away = False
        self._files = PlanFiles(self, self.take_plan)
        self.inquiry = Inquiry(self, self._subject, self._show_assessment, self._show_figure)

    @property
    def model(self) -> str:
        """The name of the chosen model."""
        return self._model

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
        self.set_interval(CLOCK_SECONDS, self._tick)
        self.call_after_refresh(self._discover)

    def on_screen_resume(self) -> None:
        if self._profiles and self._away:
            self._discover()  # files may have changed meanwhile, and runs have finished

    def on_screen_suspend(self) -> None:
        self._away = self not in self.app.screen_stack

    @work(thread=True, group="discover", exclusive=True)
    def _discover(self) -> None:
        self.attempt(assessment.discover, self._show_found)

    def _show_found(self, found: assessment.Surroundings) -> None:
        first = not self._profiles
        self._profiles = {profile.name: profile for profile in found.profiles}
        self._folders = found.profile_folders
        self.draft.profiles = tuple(self._profiles)
        if self.draft.profile not in self._profiles:
            self.draft.profile = next(iter(self._profiles), "")
        self._note_profile()
        self.query_one(ModelList).show_models(found.models, self._model)
        if first and found.last_plan is not None and self._is_untouched:
            self.take_plan(found.last_plan)
        for problem in found.problems if first else ():
            self.cockpit.say(f"{problem.title}: {problem.message}", warn=True)
        self._look()

    @property
    def _is_untouched(self) -> bool:
        """Whether the form is as it was when it opened, without a plan to start from."""
        return self._defaults is None and self._model == EMBEDDED and not self.draft.touched

    # What the person does.

    @on(ModelList.Picked)
    def _model_picked(self, event: ModelList.Picked) -> None:
        if event.name and event.name != self._model:
            self._model = event.name
            self.draft.rebase(base_plan(self._model, self._defaults))
            self.query_one(PlanForm).redraw()
        self._look()

    @on(PlanForm.Changed)
    def _plan_changed(self, event: PlanForm.Changed) -> None:
        if event.name == "profile":
            self._note_profile()
        self._look()

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

    def action_machines(self) -> None:
        if not self._profiles:
            return
        screen = ProfilesScreen(list(self._profiles.values()), self.draft.profile, self._folders)

        def left(_: None) -> None:
            self.draft.profile = screen.picked or self.draft.profile
            self._discover()

        self.app.push_screen(screen, left)

    def action_make_fit(self) -> None:
        fitted = self.inquiry.fitting
        change = fitted.advice.cheapest if fitted is not None else None
        if change is not None:
            self.draft.apply(change.fields)
            self.query_one(PlanForm).redraw()
            self.cockpit.say(f"Changed: {change.label}")
            self._look()

    def action_explain(self) -> None:
        if text := self._explanation():
            kind = "error" if self.inquiry.found.findings else "plain"
            self.app.push_screen(TextDialog("Before you launch", text, kind=kind))

    def action_save_plan(self) -> None:
        if (plan := self._ready_plan()) is not None:
            self._files.save(plan)

    def action_open_plan(self) -> None:
        self._files.open()

    def action_copy_command(self) -> None:
        if (plan := self._ready_plan()) is not None:
            self._files.copy(plan)

    def take_plan(self, plan: RunPlan) -> None:
        """Puts a plan into the form, whatever was there."""
        self._model = plan.model
        self.draft.load(plan)
        models = self.query_one(ModelList)
        models.show_models(models.entries, plan.model)
        self.query_one(PlanForm).redraw()
        self._look()

    def action_launch(self) -> None:
        self.query_one(PlanForm).finish()
        if (plan := self._ready_plan()) is not None:
            # It is launched here, whatever machine it was held against.
            here = Subject(plan, next(iter(self._profiles.values()), None))
            self.launch(here, self.inquiry.traced)

    def _ready_plan(self) -> RunPlan | None:
        """The plan of the form; None, and why in a dialog, if there is none."""
        try:
            return self.draft.plan(self._model)
        except ValueError as error:
            remedy = "Correct the fields marked ✗."
            self.cockpit.show_error(CockpitError("The plan is not ready", str(error), remedy))
            return None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "launch":
            return None if self.launching else True
        if action == "explain":
            return True if self.is_mounted and self._explanation() else None
        if action == "make_fit":
            fitted = self.inquiry.fitting
            if fitted is None or fitted.advice.cheapest is None:
                return False
            return None if self.inquiry.fitting_stale else True
        return True

    # What the machine says about it.

    def _look(self) -> None:
        self.inquiry.ask_soon()
        self._show_problems()

    def _subject(self) -> Subject | None:
        try:
            return Subject(self.draft.plan(self._model), self._profiles.get(self.draft.profile))
        except ValueError:
            return None

    def _show_assessment(self) -> None:
        found = self.inquiry.found
        self.draft.train_examples = found.train_examples
        form = self.query_one(PlanForm)
        form.findings = {name: problem.title for name, problem in found.findings if name}
        form.data_note = found.data
        form.redraw()
        self._show_figure()
        self._show_problems()

    def _show_figure(self) -> None:
        estimate, inquiry, figure = self.query_one(Estimate), self.inquiry, self.inquiry.figure
        estimate.forecast = figure.forecast if figure is not None else None
        estimate.reason = figure.reason if figure is not None else ""
        estimate.stale, estimate.waiting = inquiry.stale, inquiry.waiting
        estimate.tracing_seconds = inquiry.tracing_seconds
        estimate.searching, estimate.prospects = inquiry.searching, inquiry.prospects
        self._show_fitting()
        estimate.redraw()

    def _show_fitting(self) -> None:
        fitted, form = self.inquiry.fitting, self.query_one(PlanForm)
        stale = self.inquiry.fitting_stale
        form.hints = fitting.hints(fitted.advice, stale=stale) if fitted is not None else {}
        form.redraw()
        self.query_one(Estimate).fit = fitting.offer(fitted.advice) if fitted and not stale else ""
        self.refresh_bindings()

    def _tick(self) -> None:
        """A slow trace says that it is still at it."""
        estimate = self.query_one(Estimate)
        if self.inquiry.tracing_seconds is not None:
            estimate.tracing_seconds = self.inquiry.tracing_seconds
            estimate.redraw()

    def _show_problems(self) -> None:
        estimate, found = self.query_one(Estimate), self.inquiry.found
        estimate.problems = [f"{name}: {said}" for name, said in self.draft.problems().items()]
        if not estimate.problems:
            estimate.problems = self._plan_problem()
            estimate.problems += [in_short(problem) for _, problem in found.findings]
        estimate.warnings = found.warnings
        self._explain_field()
        self.refresh_bindings()

    def _plan_problem(self) -> list[str]:
        try:
            self.draft.plan(self._model)
        except ValueError as error:
            return [str(error)]
        return []

    def _note_profile(self) -> None:
        profile = self._profiles.get(self.draft.profile)
        form = self.query_one(PlanForm)
        form.profile_note = "" if profile is None else profile.title
        form.redraw()

    def _explanation(self) -> str:
        forecast = self.query_one(Estimate).forecast
        return explanation(self.inquiry.found, forecast, self.inquiry.fitting)
