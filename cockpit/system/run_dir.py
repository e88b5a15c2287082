"""The run directory's layout: the only interface between a run and whoever watches it."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.core.checkpoint_state import RESUME_NAME
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import plan_file, whole_file
from cockpit.system.home import home, runs_folder

# Any of these makes a folder a run.
_PARTS = ("plan.toml", "attempts", "supervisor.jsonl")


@dataclass(frozen=True, slots=True)
class RunDir:
    """Paths inside one run directory. Creating the object touches nothing on disk."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def plan_path(self) -> Path:
        return self.path / "plan.toml"

    @property
    def supervisor_events(self) -> Path:
        return self.path / "supervisor.jsonl"

    @property
    def supervisor_log(self) -> Path:
        return self.path / "supervisor.log"

    @property
    def control(self) -> Path:
        return self.path / "control.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def adapters(self) -> Path:
        return self.path / "adapters"

    @property
    def best(self) -> Path:
        return self.path / "best"

    def attempt(self, number: int) -> AttemptDir:
        return AttemptDir(self.path / "attempts" / f"{number:03d}")

    def attempts(self) -> list[AttemptDir]:
        """Existing attempts, oldest first."""
        folder = self.path / "attempts"
        if not folder.is_dir():
            return []
        return [AttemptDir(p) for p in sorted(folder.iterdir()) if re.fullmatch(r"\d{3,}", p.name)]

    def plan(self) -> RunPlan:
        """The plan that was asked for; CockpitError if the file is missing or damaged."""
        return plan_file.read(self.plan_path)

    def plan_of(self, attempt: AttemptDir) -> RunPlan:
        """An attempt's plan; the first one's is what was asked for, should its own be damaged."""
        try:
            return attempt.plan()
        except CockpitError:
            if attempt.number > 1:
                raise
            return self.plan()


@dataclass(frozen=True, slots=True)
class AttemptDir:
    """One start of the trainer: its plan, its events, its log."""

    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def plan_path(self) -> Path:
        return self.path / "plan.toml"

    @property
    def forecast_path(self) -> Path:
        return self.path / "forecast.json"

    @property
    def trainer_events(self) -> Path:
        return self.path / "trainer.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "train.log"

    def plan(self) -> RunPlan:
        return plan_file.read(self.plan_path)

    def forecast(self) -> dict[str, Any] | None:
        """The forecast this attempt was launched with, or None if there was none."""
        try:
            document = json.loads(self.forecast_path.read_bytes())
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) else None


def create(plan: RunPlan, forecast: dict[str, Any] | None = None) -> RunDir:
    """A new run directory with its first attempt ready to start."""
    folder = runs_folder()
    run = RunDir(folder / _new_name(plan))
    try:
        run.path.mkdir(parents=True)
        plan_file.write(plan, run.plan_path)
        add_attempt(run, plan, forecast)
        whole_file.sync_folder(run.path)
        whole_file.sync(folder)
    except OSError as error:
        raise CockpitError(
            "The run could not be created",
            f"{error.filename or folder}: {error.strerror}",
            "Free some space or make the folder writable, or set COCKPIT_HOME to another one.",
        ) from error
    return run


def add_attempt(
    run: RunDir,
    plan: RunPlan,
    forecast: dict[str, Any] | None = None,
    resume: dict[str, Any] | None = None,
) -> AttemptDir:
    """The next attempt's folder, with the plan it runs with and what it resumes from.

    It appears whole or not at all, and stays so if the power fails: without its resume.json an
    attempt would start from scratch.
    """
    existing = run.attempts()
    attempt = run.attempt(existing[-1].number + 1 if existing else 1)
    partial = _partial(attempt)
    shutil.rmtree(partial.path, ignore_errors=True)
    partial.path.mkdir(parents=True)
    plan_file.write(plan, partial.plan_path)
    if forecast is not None:
        partial.forecast_path.write_text(json.dumps(forecast))
    if resume is not None:
        (partial.path / RESUME_NAME).write_text(json.dumps(resume))
    whole_file.sync_folder(partial.path)
    partial.path.rename(attempt.path)
    whole_file.sync(attempt.path.parent)
    return attempt


def withdraw(attempt: AttemptDir) -> None:
    """Takes back an attempt that was added and never started; raises OSError."""
    partial = _partial(attempt)
    attempt.path.rename(partial.path)
    shutil.rmtree(partial.path)


def _partial(attempt: AttemptDir) -> AttemptDir:
    return AttemptDir(attempt.path.with_name(f".{attempt.path.name}.partial"))


def all_runs() -> list[RunDir]:
    """Every run directory, newest first; damaged ones too."""
    folder = runs_folder()
    if not folder.is_dir():
        return []
    # A name that starts with a dot is a run that is being removed.
    shown = [path for path in folder.iterdir() if not path.name.startswith(".")]
    found = [RunDir(p) for p in shown if any((p / part).exists() for part in _PARTS)]
    return sorted(found, key=_age, reverse=True)


def refuse_home_that_is_no_folder() -> None:
    """Without a folder there are no runs; CockpitError says why there is none."""
    place = home()
    if place.exists() and not place.is_dir():
        raise CockpitError(
            "COCKPIT_HOME is not a folder",
            f"{place}: it is a file",
            "Set COCKPIT_HOME to a folder, which need not exist yet, or unset it.",
        )


def _age(run: RunDir) -> tuple[str, int, str]:
    """Orders runs by creation: the minute in the name, then the plan, which is never rewritten."""
    try:
        written = run.plan_path.stat().st_mtime_ns
    except OSError:
        written = 0
    return run.name[: len("YYYYmmdd-HHMM")], written, run.name


def find(name: str) -> RunDir:
    """A run by name, unambiguous part of a name, path, or ``latest``."""
    if Path(name).is_dir() and (Path(name) / "plan.toml").is_file():
        return RunDir(Path(name).absolute())
    runs = all_runs()
    if name == "latest" and runs:
        return runs[0]
    matches = [run for run in runs if run.name == name] or [r for r in runs if name in r.name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        names = ", ".join(run.name for run in matches[:5])
        raise CockpitError(f"Several runs match {name!r}", names, "Give more of the name.")
    refuse_home_that_is_no_folder()
    raise CockpitError(
        f"No run matches {name!r}",
        f"looked in {runs_folder()}",
        "List them with: cockpit runs",
    )


def _new_name(plan: RunPlan) -> str:
    label = plan.name or Path(plan.model).name
    slug = re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-.")[:40] or "run"
    return f"{time.strftime('%Y%m%d-%H%M')}-{slug}-{secrets.token_hex(2)}"
