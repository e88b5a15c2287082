"""The forecast of a plan's peak memory: traced if that can be done in time, else rough."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

from cockpit import catalogue
from cockpit.catalogue import CatalogueModel
from cockpit.core import model_spec
from cockpit.core.forecast import MemoryForecast
from cockpit.core.model_spec import ModelSpec
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import Backend
from cockpit.errors import CockpitError
from cockpit.memory.analytic import analytic_forecast
from cockpit.memory.client import Worker
from cockpit.system import models
from cockpit.system.model_files import ModelFiles

TIMEOUT_SECONDS = 30.0
_REMEMBERED = 256

# What of a plan has no influence on its memory.
_WITHOUT_WEIGHT = frozenset(
    {"name", "learning_rate", "lr_schedule", "steps_per_report", "steps_per_eval", "save_every"}
    | {"test", "test_batches", "sample_prompts", "resume_adapter_file", "adapter_path"}
    | {"clear_cache_threshold", "report_to", "project_name"}
)


class Forecaster:
    """Forecasts for one machine; start it early, and close it before training starts.

    Answers are remembered, so a plan seen before costs nothing.
    """

    def __init__(
        self,
        backend: Backend = "cpu",
        chip: str | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        worker: Worker | None = None,
    ):
        self._backend: Backend = backend
        self._chip = chip
        self._timeout_seconds = timeout_seconds
        self._worker = worker or Worker()
        self._known: OrderedDict[str, MemoryForecast] = OrderedDict()

    def __enter__(self) -> Forecaster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Warms the tracing process up in the background."""
        self._worker.start()

    def close(self) -> None:
        """Ends the tracing process: it must be gone when training needs the memory."""
        self._worker.close()

    def forecast(
        self, plan: RunPlan, *, use_data: bool = True, rough_longest_tokens: int | None = None
    ) -> MemoryForecast | None:
        """The best forecast there is; None if nothing is known of the model.

        ``use_data`` takes the real lengths of the plan's examples, or else every example fills
        ``max_seq_length``. ``rough_longest_tokens`` is for the rough estimate alone.
        """
        subject = _subject(plan)
        if subject is None:
            return None
        request = {
            "plan": json.loads(plan.model_dump_json(exclude_unset=True)),
            "backend": self._backend,
            "chip": self._chip,
            "data": use_data and "folder" in subject and bool(plan.data),
            **subject,
        }
        key = _key(plan, request)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        try:
            document = self._worker.ask(request, self._timeout_seconds)
            found = MemoryForecast.model_validate(document)
        except CockpitError as error:
            return self._rough(plan, error, rough_longest_tokens)
        self._known[key] = found
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    def _rough(
        self, plan: RunPlan, error: CockpitError, longest_tokens: int | None
    ) -> MemoryForecast | None:
        spec = spec_of(plan)
        if spec is None:
            return None
        rough = analytic_forecast(plan, spec, longest_tokens, self._backend)
        if rough is None:
            return None
        reason = ": ".join(part for part in (error.title, error.message) if part)
        return rough.model_copy(update={"notes": (*rough.notes, f"not traced: {reason}")})


def spec_of(plan: RunPlan) -> ModelSpec | None:
    """The model's shape: from its folder, or from the catalogue while it is on the hub."""
    files, listed = _find(plan.model)
    if files is not None:
        return files.read()[0]
    return model_spec.from_config(listed.config()) if listed else None


def _subject(plan: RunPlan) -> dict[str, Any] | None:
    files, listed = _find(plan.model)
    if files is not None:
        return {"folder": str(files.folder)}
    return {"config": listed.config()} if listed else None


def _find(name: str) -> tuple[ModelFiles | None, CatalogueModel | None]:
    """The model on this machine, else in the catalogue; CockpitError for a name of neither."""
    listed = catalogue.find(name)
    try:
        return models.files(name), listed
    except CockpitError:
        if listed is None:
            raise
        return None, listed


def _key(plan: RunPlan, request: dict[str, Any]) -> str:
    fields = plan.model_dump(exclude=set(_WITHOUT_WEIGHT), mode="json")
    # Of the model and the data a change on disk counts.
    seen = [_changed(request.get("folder"))]
    if request["data"]:
        seen += [_changed(str(Path(plan.data).expanduser() / f"{s}.jsonl")) for s in _SPLITS]
    return json.dumps([fields, request["backend"], request["chip"], request["data"], seen])


_SPLITS = ("train", "valid")


def _changed(path: str | None) -> float | None:
    try:
        return Path(path).stat().st_mtime if path else None
    except OSError:
        return None
