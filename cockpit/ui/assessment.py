"""What the machine says about a plan before it is launched: reads files, never draws."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.system.models import ModelEntry
from cockpit.system.run_dir import RunDir
from cockpit.ui.plan_fields import all_fields
from cockpit.ui.view import Forecast

if TYPE_CHECKING:
    from cockpit.system.dataset import DatasetSummary


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is to choose from."""

    models: list[ModelEntry]
    profiles: list[HardwareProfile]
    problems: list[CockpitError]


@dataclass(frozen=True, slots=True)
class Assessment:
    """A plan's forecast, its data in a few words, and what stands in its way.

    ``findings`` come in the order to mend them, each with the field to blame, or "".
    ``document`` is the forecast as it is kept with the run.
    """

    forecast: Forecast | None = None
    document: dict[str, Any] | None = None
    findings: tuple[tuple[str, CockpitError], ...] = ()
    warnings: tuple[str, ...] = ()
    data: str = ""
    train_examples: int | None = None

    @classmethod
    def of_data(cls, other: Assessment) -> Assessment:
        """What ``other`` knows about the data, and nothing about a plan."""
        return cls(data=other.data, train_examples=other.train_examples)


def discover() -> Surroundings:
    """Models, the detected machine and the profiles on disk. Takes a moment."""
    from cockpit.system import hardware, models

    problems: list[CockpitError] = []
    profiles: list[HardwareProfile] = []
    try:
        profiles.append(hardware.detect())
    except CockpitError as error:
        problems.append(error)
    known = hardware.known_profiles()
    problems += known.problems
    return Surroundings(models.list_models(), [*profiles, *known.profiles], problems)


def assess(plan: RunPlan, profile: HardwareProfile | None) -> Assessment:
    """Preflight's findings, and a rough forecast against the profile's budget."""
    from cockpit.memory.analytic import analytic_forecast
    from cockpit.system import preflight

    found = preflight.examine(plan)
    longest = None
    if found.data is not None and found.data.train is not None:
        longest = found.data.train.rough_longest_tokens
    document = None
    if found.spec is not None:
        backend = profile.backend if profile is not None else "cpu"
        forecast = analytic_forecast(plan, found.spec, longest, backend)
        budget = profile.budget_bytes if profile is not None else None
        document = forecast.document(budget) if forecast is not None else None
    return Assessment(
        Forecast.from_document(document) if document is not None else None,
        document,
        tuple((blamed_field(error, plan), error) for error in found.errors),
        tuple(found.warnings),
        _in_words(found.data),
        (found.data.train_examples or None) if found.data is not None else None,
    )


def blamed_field(error: CockpitError, plan: RunPlan) -> str:
    """The field of the form that ``error`` is about: the one it names, else the data or none."""
    said = f"{error.title} {error.message}"
    named = [name for name in all_fields() if "_" in name or name in ("iters", "rank", "keys")]
    for name in named:
        if re.search(rf"\b{name}\b", said):
            return name
    about_data = plan.data and (plan.data in said or ".jsonl" in said or "data" in error.title)
    return "data" if about_data else ""


def _in_words(data: DatasetSummary | None) -> str:
    if data is None:
        return ""
    parts = [f"{split.examples:,} {split.path.stem}" for split in data.splits]
    return ", ".join(parts) + (f", {data.format}" if data.format else "")


def launch(plan: RunPlan, document: dict[str, Any] | None) -> RunDir:
    """Checks the plan once more, makes its folder and starts it; CockpitError if that fails."""
    from cockpit.system import launcher, preflight, run_dir

    run = run_dir.create(preflight.prepare(plan), document)
    launcher.launch(run)
    return run
