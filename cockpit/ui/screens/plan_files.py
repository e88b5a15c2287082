"""Saving, opening and copying the plan of the form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cockpit.core.lora_command import lora_command
from cockpit.core.plan import RunPlan
from cockpit.ui import plan_store
from cockpit.ui.folder_suggester import FolderSuggester
from cockpit.ui.presets import EMBEDDED
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.screens.dialogs import Question
from cockpit.ui.screens.line_dialog import LineDialog

SAVE_ABOUT = "As TOML, for `cockpit train PLAN.toml` or to open again."
OPEN_ABOUT = "A plan as TOML, or a YAML configuration of mlx_lm.lora."


class PlanFiles:
    """The three ways out of and into the form; ``take`` is given a plan that was opened."""

    def __init__(self, screen: CockpitScreen, take: Callable[[RunPlan], object]):
        self._screen = screen
        self._take = take
        self._path = "plan.toml"

    def save(self, plan: RunPlan) -> None:
        def named(typed: str | None) -> None:
            if typed:
                self._path = typed
                self._save_unless_there(plan, plan_store.path_of(typed))

        self._ask("Save the plan", SAVE_ABOUT, named)

    def open(self) -> None:
        def named(typed: str | None) -> None:
            if typed:
                self._path = typed
                path = plan_store.path_of(typed)
                self._in_background(
                    lambda: self._screen.attempt(lambda: plan_store.load(path), self._take)
                )

        self._ask("Open a plan", OPEN_ABOUT, named)

    def copy(self, plan: RunPlan) -> None:
        """The command of mlx-lm that trains the same, into the terminal's clipboard."""
        model = None
        if plan.model == EMBEDDED:
            from cockpit.embedded import nano_path

            model = str(nano_path())
        self._screen.app.copy_to_clipboard(lora_command(plan, model=model))
        self._screen.cockpit.say("Copied as an mlx_lm.lora command, if this terminal allows it.")

    def _ask(self, title: str, about: str, then: Callable[[str | None], None]) -> None:
        dialog = LineDialog(title, about, self._path, suggester=FolderSuggester())
        self._screen.app.push_screen(dialog, then)

    def _save_unless_there(self, plan: RunPlan, path: Path) -> None:
        if not path.exists():
            self._save(plan, path)
            return
        question = Question("Write over that file?", str(path))
        self._screen.ask(question, lambda: self._save(plan, path))

    def _save(self, plan: RunPlan, path: Path) -> None:
        said = f"Saved {path}"
        self._in_background(
            lambda: self._screen.attempt(
                lambda: plan_store.save(plan, path), lambda _: self._screen.cockpit.say(said)
            )
        )

    def _in_background(self, work: Callable[[], None]) -> None:
        self._screen.run_worker(work, thread=True, group="plan-file")
