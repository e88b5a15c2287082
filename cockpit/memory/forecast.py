"""The forecast of a plan's peak memory: traced if that can be done in time, else rough."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

from cockpit.core import model_spec
from cockpit.core.forecast import MemoryForecast
from cockpit.core.model_spec import ModelSpec
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import Backend
from cockpit.errors import CockpitError
from cockpit.memory.analytic import analytic_forecast
from cockpit.memory.client import TraceCancelled, TraceRefused, Worker
from cockpit.system import model_files, models, preflight_data
from cockpit.system.typed_path import expanded

TIMEOUT_SECONDS = 60.0
_REMEMBERED = 1024  # a search for what fits takes dozens

# What of a plan has no influence on its memory.
_WITHOUT_WEIGHT = frozenset(
    {"name", "learning_rate", "lr_schedule", "steps_per_report", "steps_per_eval", "save_every"}
    | {"resume_adapter_file", "adapter_path"}
    | {"clear_cache_threshold", "report_to", "project_name"}
)


class NoForecast(CockpitError):
    """Why nothing is known of a plan's memory, and what would make it known."""


class PlanRefused(NoForecast):
    """The plan cannot be trained on its model, so that there is nothing to forecast."""


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
        # What cannot be traced will not be by asking again.
        self._failed: dict[str, CockpitError] = {}

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
        self,
        plan: RunPlan,
        *,
        use_data: bool = True,
        rough_longest_tokens: int | None = None,
        within_seconds: float | None = None,
        compare: bool = True,
        adapted_layers: int | None = None,
    ) -> MemoryForecast:
        """The best forecast there is; NoForecast with the reason if there is none.

        ``use_data`` takes the real lengths of the plan's examples, or else every example fills
        ``max_seq_length``. ``rough_longest_tokens`` is for the rough estimate alone, which is
        the answer if no trace is ready ``within_seconds``. Without ``compare`` the notes do not
        tell what full length would take, which is half the work. A trace that was called off
        raises TraceCancelled; a name that is no model, CockpitError. ``adapted_layers`` is of the
        checkpoint that a run goes on from, where that holds more layers than the plan trains.
        """
        subject = _subject(plan)
        request = {
            "plan": json.loads(plan.model_dump_json(exclude_unset=True)),
            "backend": self._backend,
            "adapted_layers": adapted_layers,
            "chip": self._chip,
            "data": use_data and "folder" in subject and bool(plan.data),
            "compare": compare,
            **subject,
        }
        request["seen"] = _seen(plan, request.get("folder"), with_data=bool(request["data"]))
        key = _key(plan, request)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        if key in self._failed:
            return self._rough(plan, self._failed[key], rough_longest_tokens)
        try:
            document = self._worker.ask(
                request, self._timeout_seconds, within_seconds=within_seconds
            )
            found = MemoryForecast.model_validate(document)
        except TraceCancelled:
            raise
        except CockpitError as error:
            if self._worker.pid is not None:
                self._failed[key] = error
            return self._rough(plan, error, rough_longest_tokens)
        self._known[key] = found
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    def lengths(self, plan: RunPlan) -> list[int] | None:
        """Tokens of every training example, uncut; None if they cannot be known."""
        try:
            request = {
                "plan": json.loads(plan.model_dump_json(exclude_unset=True)),
                "lengths": True,
            }
            request |= _subject(plan)
            if "folder" not in request:
                return None
            request["seen"] = _seen(plan, request["folder"], with_data=True)
            return list(self._worker.ask(request, self._timeout_seconds)["train"])
        except CockpitError:
            return None

    def _rough(
        self, plan: RunPlan, error: CockpitError, longest_tokens: int | None
    ) -> MemoryForecast:
        if isinstance(error, TraceRefused):
            raise PlanRefused(error.title, error.message, error.remedy)
        reason = ": ".join(part for part in (error.title, error.message) if part)
        spec = spec_of(plan)
        rough = analytic_forecast(plan, spec, longest_tokens, self._backend) if spec else None
        if rough is None:
            raise NoForecast(
                "There is no forecast for this model",
                f"not traced: {reason}; and its config.json does not tell enough for an estimate",
                "See that the model's folder is whole: config.json and the safetensors files.",
            )
        return rough.model_copy(update={"notes": (*rough.notes, f"not traced: {reason}")})


def spec_of(plan: RunPlan) -> ModelSpec | None:
    """The model's shape: from its folder, or from the catalogue while it is on the hub."""
    files, listed = models.files_or_listed(plan.model)
    if files is not None:
        return files.read()[0]
    return model_spec.from_config(listed.config()) if listed else None


def _subject(plan: RunPlan) -> dict[str, Any]:
    files, listed = models.files_or_listed(plan.model)
    if files is not None:
        return {"folder": str(files.folder)}
    if listed is None:
        raise NoForecast(
            "There is no forecast for this model yet",
            f"{plan.model} is not on this machine and not in the catalogue",
            "It can be priced once it is downloaded; `cockpit models` lists what can be now.",
        )
    return {"config": listed.config()}


def _key(plan: RunPlan, request: dict[str, Any]) -> str:
    fields = plan.model_dump(exclude=set(_WITHOUT_WEIGHT), mode="json")
    how = [request[name] for name in ("backend", "chip", "data", "adapted_layers", "seen")]
    return json.dumps([fields, how, request["data"] and request["compare"]])


def _seen(plan: RunPlan, folder: str | None, *, with_data: bool) -> list[Any]:
    """What changes with the model and the data: what was found out before then counts no more."""
    seen: list[Any] = [model_files.stamps(Path(folder)) if folder else None]
    if with_data:
        seen += preflight_data.stamps(expanded(plan.data))
    return seen
