"""What the machine says about a plan before it is launched: reads files, never draws."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.system.models import ModelEntry
from cockpit.system.run_dir import RunDir
from cockpit.ui import plan_store
from cockpit.ui.plan_fields import all_fields
from cockpit.ui.prospects import Prospects, counted
from cockpit.ui.view import Forecast

if TYPE_CHECKING:
    from cockpit.core.forecast import MemoryForecast
    from cockpit.core.model_spec import ModelSpec
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
    profile_folders: list[Path]
    last_plan: RunPlan | None = None


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
    """A forecast of ``subject``; ``document`` is how it is kept with a run.

    Without one, ``reason`` says why nothing is known. ``counted`` are the tokens of an epoch and
    the share of examples that are cut, None if they were not counted.
    """

    subject: Subject
    document: dict[str, Any] | None = None
    reason: str = ""
    counted: tuple[int, float] | None = None

    @property
    def forecast(self) -> Forecast | None:
        return Forecast.from_document(self.document) if self.document is not None else None

    @property
    def exceeds(self) -> bool:
        """Whether more is expected than the budget; an unknown figure does not."""
        found = self.forecast
        if found is None or found.needed_bytes is None or found.budget_bytes is None:
            return False
        return found.needed_bytes > found.budget_bytes


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
    prospects: Prospects | None = None

    @classmethod
    def of_data(cls, other: Assessment) -> Assessment:
        """What ``other`` knows about the data, and nothing about a plan."""
        return cls(data=other.data, train_examples=other.train_examples)


def discover() -> Surroundings:
    """Models, the detected machine and the profiles on disk. Takes a moment.

    What finished since the last time goes into the history, for the forecasts to come.
    """
    from cockpit.memory import history
    from cockpit.system import hardware, models

    history.record_here()
    problems: list[CockpitError] = []
    profiles: list[HardwareProfile] = []
    try:
        profiles.append(hardware.this_machine())
    except CockpitError as error:
        problems.append(error)
    known, folders = hardware.known_profiles(), hardware.profile_folders()
    problems += (problem for problem in known.problems if str(problem) not in map(str, problems))
    others = [each for each in known.profiles if each.name != hardware.THIS_MACHINE]
    return Surroundings(
        models.list_models(), [*profiles, *others], problems, folders, plan_store.last()
    )


def assess(subject: Subject) -> Assessment:
    """Preflight's findings, and a rough forecast against the profile's budget.

    An unchanged data set is not read again.
    """
    from cockpit.memory.analytic import analytic_forecast
    from cockpit.memory.verdicts import note_on_keys, with_needed_keys
    from cockpit.system import hardware, pace, preflight

    plan, profile = with_needed_keys(subject.plan), subject.profile
    found = preflight.examine(plan)
    train = found.data.train if found.data is not None else None
    longest = train.rough_longest_tokens if train is not None else None
    spec = found.spec or _listed_shape(plan)
    rough = None
    if spec is not None:
        backend = profile.backend if profile is not None else "cpu"
        rough = analytic_forecast(plan, spec, longest, backend)
    keys = [note_on_keys(plan)] if plan != subject.plan else []
    examples = (found.data.train_examples or None) if found.data is not None else None
    return Assessment(
        Figure(subject, _document(rough, profile)),
        found.plan if found.model is not None else None,
        longest,
        tuple((blamed_field(error, plan), error) for error in found.errors),
        (*keys, *found.warnings),
        _in_words(found.data),
        examples,
        Prospects(
            found.plan,
            examples,
            pace=pace.pace_of(found.plan),
            elsewhere=profile is not None and profile.name != hardware.THIS_MACHINE,
        ),
    )


def _listed_shape(plan: RunPlan) -> ModelSpec | None:
    """The shape of a model that is not here, if the catalogue has it."""
    from cockpit.memory.forecast import spec_of

    try:
        return spec_of(plan)
    except CockpitError:
        return None


def traced(found: Assessment, tracer: Tracer, within_seconds: float | None = None) -> Figure | None:
    """What the tracer makes of the plan of ``found``; None if it may not, or was called off. Slow.

    A figure without a forecast says why there is none.
    """
    if found.figure is None or found.checked is None:
        return None
    subject = found.figure.subject
    try:
        forecast = tracer.forecast(
            found.checked,
            subject.profile,
            rough_longest_tokens=found.rough_longest_tokens,
            within_seconds=within_seconds,
        )
    except CockpitError as error:
        return Figure(subject, None, error.message or error.title)
    if forecast is None:
        return None
    lengths = tracer.lengths(found.checked, subject.profile) if within_seconds is None else None
    tokens = counted(found.checked, lengths) if lengths else None
    return Figure(subject, _document(forecast, subject.profile), counted=tokens)


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
    from cockpit.memory.verdicts import with_needed_keys
    from cockpit.system import launcher, preflight, run_dir

    prepared = preflight.prepare(with_needed_keys(plan))
    run = run_dir.create(prepared, document)
    plan_store.remember(prepared)
    tracer.close()
    launcher.launch(run)
    return run
