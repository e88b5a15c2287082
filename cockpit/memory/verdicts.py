"""Whether the models of the catalogue fit and train, computed by the forecast and never typed.

A trace takes seconds and the catalogue is long, so what was traced is kept on disk, for as long
as mlx, mlx-lm and the code that traces stay what they were.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

import cockpit
from cockpit import catalogue
from cockpit.catalogue import Bits, CatalogueModel
from cockpit.core.forecast import MemoryForecast
from cockpit.core.model_spec import from_config
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import Backend
from cockpit.errors import CockpitError
from cockpit.memory import fit
from cockpit.memory.calibration import run_ahead
from cockpit.memory.client import TraceError, Worker
from cockpit.memory.compiler import has_compiler
from cockpit.system import mlx_lm_types, model_files, models, whole_file
from cockpit.system.home import home
from cockpit.system.models import ModelEntry
from cockpit.system.software import installed_version

Word = Literal["fits", "fits with changes", "does not fit", "unknown"]

TIMEOUT_SECONDS = 60.0
# What a failed trace says when the reason is the model or mlx-lm, and not the trace.
_NOT_TRAINABLE = ("Nothing would be trained", "Can't convert layer", "not supported")
_UNPRICED = {"model", "data", "name"}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to judge: a folder here, or the config.json of one that is not."""

    name: str
    packing: str
    config: dict[str, Any]
    lora_keys: tuple[str, ...] | None = None
    folder: Path | None = None
    parameters: int | None = None
    plan_name: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``trains`` is None where that cannot be told; ``why`` says what the answer rests on."""

    name: str
    packing: str
    parameters: int | None
    fits: Word
    changes: dict[str, Any]
    flags: str
    peak_bytes: int | None
    needed_bytes: int | None
    low_bytes: int | None
    high_bytes: int | None
    trains: bool | None
    why: str
    here: bool

    def document(self) -> dict[str, Any]:
        return asdict(self)


class PriceList:
    """Forecasts by the tracing process for one kind of machine, kept in a file."""

    def __init__(self, worker: Worker, backend: Backend, chip: str | None, path: Path):
        self._worker = worker
        self._where = {"backend": backend, "chip": chip, "data": False}
        self._machine = [repr(run_ahead(backend, chip)), has_compiler(backend)]
        self._path = path
        self._known = _load(path)
        self.traced = 0

    def ask(self, subject: Subject, plan: RunPlan) -> MemoryForecast:
        """The traced forecast at full length; TraceError with the reason if there is none."""
        key = self._key(subject, plan)
        if key not in self._known:
            self._known[key] = self._trace(subject, plan)
            self._save()
        found = self._known[key]
        if "error" in found:
            raise TraceError(**found["error"])
        return MemoryForecast.model_validate(found)

    def _trace(self, subject: Subject, plan: RunPlan) -> dict[str, Any]:
        what: dict[str, Any] = {"plan": json.loads(plan.model_dump_json(exclude_unset=True))}
        what |= {"folder": str(subject.folder)} if subject.folder else {"config": subject.config}
        self.traced += 1
        try:
            return self._worker.ask(what | self._where, TIMEOUT_SECONDS)
        except TraceError as error:
            if self._worker.pid is None:  # too slow, or it died: that may go better next time
                raise
            return {"error": error.to_json()}

    def _key(self, subject: Subject, plan: RunPlan) -> str:
        fields = plan.model_dump(exclude=_UNPRICED, mode="json")
        folder = subject.folder
        files = [str(folder), model_files.stamps(folder)] if folder else None
        text = json.dumps([subject.config, fields, self._machine, files], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _save(self) -> None:
        """A cache that cannot be written is only slow."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            document = {"made_with": made_with(), "forecasts": self._known}
            whole_file.write(self._path, json.dumps(document))
        except OSError:
            return


def cache_path() -> Path:
    return home() / "cache" / "forecasts.json"


@lru_cache(maxsize=1)
def made_with() -> dict[str, str | None]:
    """What a forecast depends on beside plan, model and machine."""
    digest = hashlib.sha256()
    root = Path(cockpit.__file__).parent
    for part in ("core", "memory", "trainer"):
        for path in sorted((root / part).glob("*.py")):
            digest.update(path.read_bytes())
    versions = {name: installed_version(name) for name in ("mlx", "mlx-lm")}
    return versions | {"code": digest.hexdigest()[:16]}


def local_subjects() -> list[Subject]:
    """The models on this machine that are whole and can be trained without their own code."""
    entries = [entry for entry in models.list_models() if not entry.problem]
    found = (_local(entry) for entry in entries if not entry.needs_trust)
    return [subject for subject in found if subject is not None]


def catalogue_subjects(bits: Bits | None) -> list[Subject]:
    """The catalogue, packed to ``bits`` where that is a packing people use; None as published."""
    return [_listed(model, bits) for model in catalogue.models()]


def judge(
    subject: Subject,
    plan: RunPlan,
    budget_bytes: int,
    ask: Callable[[Subject, RunPlan], MemoryForecast],
) -> Verdict:
    """The verdict for ``plan`` on the model. The plan's own model and data do not matter."""
    plan = _for_subject(plan, subject)
    spec = from_config(subject.config)

    def verdict(fits: Word, trains: bool | None, why: str, **found: Any) -> Verdict:
        parts: dict[str, Any] = {"changes": {}, "flags": ""}
        parts |= dict.fromkeys(("peak_bytes", "needed_bytes", "low_bytes", "high_bytes"))
        return Verdict(
            name=subject.name,
            packing=subject.packing,
            parameters=subject.parameters or spec.parameters,
            fits=fits,
            trains=trains,
            why=why,
            here=subject.folder is not None,
            **parts | found,
        )

    if mlx_lm_types.is_known(subject.config) is False:
        return verdict("unknown", False, f"mlx-lm does not know {spec.model_type!r}")
    try:
        now = ask(subject, plan)
        limits = fit.Limits(layers=spec.num_hidden_layers)
        needs: dict[str, Any] = {"peak_bytes": now.peak_bytes, "low_bytes": now.low_bytes}
        needs |= {"high_bytes": now.high_bytes, "needed_bytes": now.needed_bytes}
        why = _why(subject)
        if now.fits(budget_bytes):
            return verdict("fits", True, why, **needs)
        if now.parts["weights"] > budget_bytes:
            return verdict("does not fit", True, why, **needs)
        change = fit.cheapest(lambda changed: ask(subject, changed), plan, budget_bytes, limits)
    except TraceError as error:
        reason = ": ".join(part for part in (error.title, error.message) if part)
        known = any(words in reason for words in _NOT_TRAINABLE)
        return verdict("unknown", False if known else None, reason)
    if change is None:
        return verdict("does not fit", True, why, **needs)
    return verdict(
        "fits with changes", True, why, **needs, changes=change.fields, flags=change.flags()
    )


def with_needed_keys(plan: RunPlan) -> RunPlan:
    """``plan`` with the LoRA keys that its model needs, if it names none itself.

    A model that is not in the catalogue needs those of its architecture there.
    """
    listed = catalogue.find(plan.model)
    return _with_keys(plan, listed.lora_keys if listed else _keys_of_family(plan.model))


def note_on_keys(plan: RunPlan) -> str:
    """What to say of a plan that was given keys."""
    keys = ", ".join(plan.lora_parameters.keys or ())
    return f"{plan.model} needs explicit LoRA keys: lora_parameters.keys = {keys}"


def _keys_of_family(name: str) -> tuple[str, ...] | None:
    try:
        spec = models.spec(name)
    except CockpitError:
        return None
    family = spec.model_type if spec is not None else None
    needy = (model for model in catalogue.models() if model.lora_keys)
    return next((model.lora_keys for model in needy if model.family == family), None)


def _with_keys(plan: RunPlan, keys: tuple[str, ...] | None) -> RunPlan:
    if not keys or plan.lora_parameters.keys or plan.fine_tune_type == "full":
        return plan
    lora = plan.lora_parameters.model_dump(exclude_unset=True)
    return plan.with_changes(lora_parameters=lora | {"keys": keys})


def _for_subject(plan: RunPlan, subject: Subject) -> RunPlan:
    name = subject.plan_name or subject.name
    return _with_keys(plan.with_changes(model=name), subject.lora_keys)


def _why(subject: Subject) -> str:
    version = installed_version("mlx-lm") or "n/a"
    keys = "; it needs explicit LoRA keys" if subject.lora_keys else ""
    return f"its training step was traced on mlx-lm {version}{keys}"


def _listed(model: CatalogueModel, bits: Bits | None) -> Subject:
    packed = model.at(bits) if bits is not None and bits in model.pricing_bits else model
    return Subject(
        name=model.name,
        packing="as published" if packed.bits is None else f"{packed.bits}-bit",
        config=packed.config(),
        lora_keys=model.lora_keys,
        parameters=model.parameters,
        plan_name=model.slug,
    )


def _local(entry: ModelEntry) -> Subject | None:
    try:
        found = models.files(entry.name)
        if found is None:
            return None
        listed = catalogue.find(entry.name)
        return Subject(
            name=entry.name,
            packing=f"{entry.quantization_bits}-bit" if entry.quantization_bits else "16-bit",
            config=found.config(),
            lora_keys=listed.lora_keys if listed else None,
            folder=found.folder,
            parameters=found.read()[0].parameters,
        )
    except CockpitError:
        return None


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
        forecasts = document["forecasts"] if document["made_with"] == made_with() else {}
        for found in forecasts.values():
            if "error" not in found:
                MemoryForecast.model_validate(found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
        return {}
    return dict(forecasts)
