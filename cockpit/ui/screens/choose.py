"""Choosing what to train: model, data, machine and plan, checked before anything is launched."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.ui import assessment
from cockpit.ui.assessment import Subject
from cockpit.ui.inquiry import Inquiry
from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.presets import EMBEDDED, base_plan
from cockpit.ui.screens.choice_view import ChoiceView
from cockpit.ui.screens.dialogs import TextDialog
from cockpit.ui.screens.launching import LaunchingScreen
from cockpit.ui.screens.machines import Machines
from cockpit.ui.screens.plan_changes import PlanChanges
from cockpit.ui.screens.plan_files import PlanFiles
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.estimate import Estimate
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.model_list import ModelList, ModelsSide
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
        Binding("p", "presets", "Presets", tooltip="Plans to start from, and what each changes"),
        Binding("u", "undo", "Undo", tooltip="The plan as before the last preset, fit or file"),
        Binding("t", "time", "Time it", tooltip="Train a few updates, to know how long it takes"),
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
        self._machines = Machines(self, self.draft)
        # Whether another screen took the place of this one, and not just a dialog.
        self._away = False
        self._files = PlanFiles(self, self.take_plan)
        self._changes = PlanChanges(self, self._take_draft)
        self._view = ChoiceView(self, self.draft, lambda: self._model)
        self.inquiry = Inquiry(
            self,
            self._subject,
            lambda: self._view.show_assessment(self.inquiry),
            lambda: self._view.show_figure(self.inquiry),
        )

    @property
    def model(self) -> str:
        """The name of the chosen model."""
        return self._model

    def compose(self) -> ComposeResult:
        yield TopBar("New run", host_note(self.cockpit.surroundings.remote))
        with Horizontal(id="choice"):
            yield ModelsSide(id="models-side")
            yield PlanForm(self.draft, id="plan")
        yield Estimate(id="estimate")
        yield KeyBar()

    def on_mount(self) -> None:
        self._view.explain_field()
        self.set_interval(CLOCK_SECONDS, lambda: self._view.show_tracing(self.inquiry))
        self.call_after_refresh(self._discover)

    def on_screen_resume(self) -> None:
        if self._machines.known and self._away:
            self._discover()  # files may have changed meanwhile, and runs have finished

    def on_screen_suspend(self) -> None:
        self._away = self not in self.app.screen_stack

    @work(thread=True, group="discover", exclusive=True)
    def _discover(self) -> None:
        self.attempt(assessment.discover, self._show_found)

    def _show_found(self, found: assessment.Surroundings) -> None:
        first = not self._machines.known
        self._machines.take(found)
        self._view.note_machine(self._machines.chosen)
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
            self._view.note_machine(self._machines.chosen)
        self._look()

    @on(CursorList.Moved, "#plan")
    def _explain_field(self) -> None:
        self._view.explain_field()

    @on(CursorList.Chosen, "#models")
    def _model_chosen(self) -> None:
        self.query_one(PlanForm).focus()

    def action_other_side(self) -> None:
        form = self.query_one(PlanForm)
        (self.query_one(ModelList) if form.has_focus_within else form).focus()

    def action_filter(self) -> None:
        self.query_one(ModelsSide).find()

    def action_all_fields(self) -> None:
        self.query_one(PlanForm).toggle_all()

    def action_machines(self) -> None:
        self._machines.pick(self._discover)

    def action_make_fit(self) -> None:
        fitted = self.inquiry.fitting
        change = fitted.advice.cheapest if fitted is not None else None
        if change is not None:
            self._changes.keep(self._model, self.draft)
            self.draft.apply(change.fields)
            self.query_one(PlanForm).redraw()
            self.cockpit.say(f"Changed: {change.label}")
            self._look()

    def action_presets(self) -> None:
        self.query_one(PlanForm).finish()
        self._changes.offer(self._model, self.draft)

    def action_undo(self) -> None:
        self.query_one(PlanForm).finish()
        self._changes.undo(self._model, self.draft)

    def _take_draft(self, model: str, draft: PlanDraft, said: str) -> None:
        self._model = model
        self.draft.take(draft)
        self._show_plan()
        self.cockpit.say(said)

    def action_time(self) -> None:
        self.query_one(PlanForm).finish()
        if (plan := self._ready_plan()) is not None:
            self.time(self._machines.here(plan), self.inquiry.traced, self._look)

    def action_explain(self) -> None:
        if text := self._view.explanation(self.inquiry):
            kind = "error" if text.startswith("✗") else "plain"
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
        if self.draft.touched:
            self._changes.keep(self._model, self.draft)
        self._model = plan.model
        self.draft.load(plan)
        self._show_plan()

    def _show_plan(self) -> None:
        models = self.query_one(ModelList)
        models.show_models(models.entries, self._model)
        self.query_one(PlanForm).redraw()
        self._look()

    def action_launch(self) -> None:
        self.query_one(PlanForm).finish()
        if (plan := self._ready_plan()) is not None:
            self.launch(self._machines.here(plan), self.inquiry.traced)

    def _ready_plan(self) -> RunPlan | None:
        """The plan of the form; None, and why in a dialog, if there is none."""
        try:
            return self.draft.plan(self._model)
        except ValueError as error:
            remedy = "Correct the fields marked ✗."
            self.cockpit.show_error(CockpitError("The plan is not ready", str(error), remedy))
            return None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("launch", "time"):
            return None if self.launching else True
        if action == "explain":
            return True if self.is_mounted and self._view.explanation(self.inquiry) else None
        if action == "undo":
            return self._changes.can_undo
        if action == "make_fit":
            fitted = self.inquiry.fitting
            if fitted is None or fitted.advice.cheapest is None:
                return False
            return None if self.inquiry.fitting_stale else True
        return True

    # What the machine says about it.

    def _look(self) -> None:
        self.inquiry.ask_soon()
        self._view.show_problems(self.inquiry)

    def _subject(self) -> Subject | None:
        try:
            return Subject(self.draft.plan(self._model), self._machines.chosen)
        except ValueError:
            return None
