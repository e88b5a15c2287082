"""Everything that would make a run fail and can be known before it is launched.

A check yields a CockpitError for what would fail and a plain text for what would surprise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cockpit.core import model_spec
from cockpit.core.model_spec import ModelSpec
from cockpit.core.plan import RunPlan
from cockpit.core.tensors import Tensor
from cockpit.errors import CockpitError
from cockpit.system import (
    models,
    preflight_adapter,
    preflight_data,
    preflight_disk,
    preflight_start,
)
from cockpit.system.dataset import DatasetSummary
from cockpit.system.models import ModelEntry
from cockpit.system.typed_path import expanded


@dataclass(slots=True)
class Preflight:
    """What was found. ``plan`` has absolute paths; ``errors`` come in the order to mend them.

    ``warnings`` say what will surprise but not fail. What could not be looked at is None.
    """

    plan: RunPlan
    errors: list[CockpitError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    model: ModelEntry | None = None
    spec: ModelSpec | None = None
    data: DatasetSummary | None = None

    def take(self, issues: Iterable[CockpitError | str]) -> None:
        """Sorts what a check yields or raises."""
        try:
            for issue in issues:
                if isinstance(issue, CockpitError):
                    self.errors.append(issue)
                else:
                    self.warnings.append(issue)
        except CockpitError as error:
            self.errors.append(error)

    def raise_first(self) -> None:
        """Raises the error to mend first, if there is one."""
        if self.errors:
            raise self.errors[0]


def prepare(plan: RunPlan) -> RunPlan:
    """``plan`` ready to launch, its paths absolute; CockpitError for what would fail."""
    found = examine(plan)
    found.raise_first()
    return found.plan


def collect(plan: RunPlan) -> list[CockpitError]:
    """Everything that keeps ``plan`` from running, the first thing to mend first."""
    return examine(plan).errors


def examine(plan: RunPlan, *, room: bool = True) -> Preflight:
    """Looks at model, data, their fit, and the disk. Reads files and changes nothing.

    Without ``room`` the disk need not hold the checkpoints: a run that is resumed has most of
    them, and its trainer waits for room.
    """
    found = Preflight(plan)
    tensors: dict[str, Tensor] = {}
    found.take(_look_at_model(found, tensors))
    found.plan = preflight_start.adopt(_with_absolute_paths(plan, found.model))
    found.take(_look_at_data(found))
    if found.spec is not None:
        found.take(_check_numbers(found, found.spec))
        found.take(preflight_adapter.check(found.plan, found.spec, tensors))
    depth = found.spec.num_hidden_layers if found.spec else None
    found.take(preflight_start.check(found.plan, depth))
    found.take(preflight_disk.check_home())
    if room and found.spec is not None and not found.errors:
        found.take(preflight_disk.check_space(found.plan, found.spec, tensors))
    return found


def before_pricing(plan: RunPlan) -> list[str]:
    """What will surprise in a plan that is only priced; CockpitError for what no price is true of.

    That is what ``examine`` finds wrong with the model and the numbers. Data and disk may be
    missing, and so may the weights: the model's shape is in its config.json.
    """
    found = Preflight(plan)
    tensors: dict[str, Tensor] = {}
    found.take(_look_at_shape(found, tensors))
    if found.spec is not None:
        found.take(_check_numbers(found, found.spec))
        found.take(preflight_adapter.check(found.plan, found.spec, tensors))
    found.raise_first()
    return found.warnings


def _look_at_shape(found: Preflight, tensors: dict[str, Tensor]) -> Iterator[CockpitError | str]:
    name = found.plan.model
    files, listed = models.files_or_listed(name)
    if files is None:
        found.spec = model_spec.from_config(listed.config()) if listed else None
        yield f"{name} is not on this machine yet: it is priced without its weights"
        return
    config = files.check_config()
    if config.get("model_file") and not found.plan.trust_remote_code:
        yield _needs_trust(name)
    if files.weights():
        files.check()
    else:
        yield f"{name}: the weights are not here, so that it cannot be trained before they are"
    found.spec, headers = files.read()
    tensors.update(headers)


def _look_at_model(found: Preflight, tensors: dict[str, Tensor]) -> Iterator[CockpitError | str]:
    name = found.plan.model
    found.model = models.resolve(name)
    if found.model.needs_trust and not found.plan.trust_remote_code:
        yield _needs_trust(name)
    files = models.files(name)
    if files is None:
        yield f"{name} is not on this machine yet: the run begins with its download"
        return
    found.spec, headers = files.read()
    tensors.update(headers)


def _needs_trust(name: str) -> CockpitError:
    return CockpitError(
        "The model brings Python code of its own",
        f"{name}: config.json names a model_file",
        "Set trust_remote_code = true if you trust whoever made the model.",
    )


def _look_at_data(found: Preflight) -> Iterator[CockpitError | str]:
    found.data = preflight_data.summary(found.plan)
    if found.data is not None:
        yield from preflight_data.check(found.plan, found.data)


def _check_numbers(found: Preflight, spec: ModelSpec) -> Iterator[CockpitError | str]:
    plan, depth, longest = found.plan, spec.num_hidden_layers, spec.max_position_embeddings
    if depth is not None and plan.num_layers > depth:
        if "num_layers" in plan.model_fields_set:
            yield CockpitError(
                "The model has fewer layers than that",
                f"num_layers is {plan.num_layers}, and {plan.model} has {depth}",
                f"Set num_layers to {depth} or less; -1 is all.",
            )
        else:
            found.plan = plan.with_changes(num_layers=depth)
            yield f"all {depth} layers of {plan.model} are trained: it has fewer than num_layers"
    if longest is not None and plan.max_seq_length > longest:
        yield f"max_seq_length {plan.max_seq_length} is beyond the {longest} the model was made for"


def _with_absolute_paths(plan: RunPlan, model: ModelEntry | None) -> RunPlan:
    """Folders written out, so that the run can be read from anywhere; other names as they are."""
    changes: dict[str, Any] = {}
    if model is not None and model.source == "folder":
        changes["model"] = _absolute(plan.model)
    if plan.data and expanded(plan.data).is_dir():
        changes["data"] = _absolute(plan.data)
    if plan.resume_adapter_file:
        changes["resume_adapter_file"] = _absolute(plan.resume_adapter_file)
    return plan.with_changes(**changes) if changes else plan


def _absolute(path: str) -> str:
    return str(expanded(path).resolve())
