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
    from cockpit.core.forecast import MemoryForecast
    from cockpit.system.dataset import DatasetSummary
    from cockpit.ui.tracing import Tracer

# So long a launch waits for a traced forecast; then the rough one is kept with the run.
LAUNCH_WAITS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is to choose from."""

    models: list[ModelEntry]
    profiles: list[HardwareProfile]
    problems: list[CockpitError]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a forecast is about: a plan, and the machine it is held against."""

    plan: RunPlan
    profile: HardwareProfile | None

    def is_like(self, other: Subject) -> bool:
        """Whether a figure for ``other`` still tells something about this one."""
        same_model = self.plan.model == other.plan.model
        return same_model and self.profile == other.profile


@dataclass(frozen=True, slots=True)
class Figure:
    """A forecast of ``subject``; ``document`` is how it is kept with a run, None if unknown."""

    subject: Subject
    document: dict[str, Any] | None = None

    @property
    def forecast(self) -> Forecast | None:
        return Forecast.from_document(self.document) if self.document is not None else None


@dataclass(frozen=True, slots=True)
class Assessment:
    """A plan's rough forecast, its data in a few words, and what stands in its way.

    ``checked`` is the plan as preflight would launch it, None if its model cannot be found.
    ``findings`` come in the order to mend them, each with the field to blame, or "".
    """

    figure: Figure | None = None
    checked: RunPlan | None = None
    rough_longest_tokens: int | None = None
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


def assess(subject: Subject) -> Assessment:
    """Preflight's findings, and a rough forecast against the profile's budget.

    An unchanged data set is not read again.
    """
    from cockpit.memory.analytic import analytic_forecast
    from cockpit.system import preflight

    plan, profile = subject.plan, subject.profile
    found = preflight.examine(plan)
    train = found.data.train if found.data is not None else None
    longest = train.rough_longest_tokens if train is not None else None
    rough = None
    if found.spec is not None:
        backend = profile.backend if profile is not None else "cpu"
        rough = analytic_forecast(plan, found.spec, longest, backend)
    return Assessment(
        Figure(subject, _document(rough, profile)),
        found.plan if found.model is not None else None,
        longest,
        tuple((blamed_field(error, plan), error) for error in found.errors),
        tuple(found.warnings),
        _in_words(found.data),
        (found.data.train_examples or None) if found.data is not None else None,
    )


def traced(found: Assessment, tracer: Tracer, within_seconds: float | None = None) -> Figure | None:
    """What the tracer makes of the plan of ``found``; None if it may not or cannot. Slow."""
    if found.figure is None or found.checked is None:
        return None
    subject = found.figure.subject
    forecast = tracer.forecast(
        found.checked,
        subject.profile,
        rough_longest_tokens=found.rough_longest_tokens,
        within_seconds=within_seconds,
    )
    return Figure(subject, _document(forecast, subject.profile)) if forecast is not None else None


def _document(
    forecast: MemoryForecast | None, profile: HardwareProfile | None
) -> dict[str, Any] | None:
    budget_bytes = profile.budget_bytes if profile is not None else None
    return forecast.document(budget_bytes) if forecast is not None else None


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


def weigh(subject: Subject, known: Figure | None, tracer: Tracer) -> Figure:
    """A figure for exactly ``subject``: the one that is known, if it is about that."""
    if known is not None and known.subject == subject:
        return known
    found = assess(subject)
    return traced(found, tracer, LAUNCH_WAITS_SECONDS) or found.figure or Figure(subject)


def launch(plan: RunPlan, document: dict[str, Any] | None, tracer: Tracer) -> RunDir:
    """Checks the plan once more, makes its folder and starts it; CockpitError if that fails."""
    from cockpit.system import launcher, preflight, run_dir

    run = run_dir.create(preflight.prepare(plan), document)
    tracer.close()
    launcher.launch(run)
    return run
