"""Plans to start from: what a preset changes, and how long it trains on this model and data.

The presets are in the catalogue's ``presets.toml``. Fields have flat names here: ``rank``,
``scale`` and ``dropout`` are those of ``lora_parameters``.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from cockpit import catalogue
from cockpit.core.format import duration
from cockpit.core.plan import LoraParameters, RunPlan, iters_for_epochs
from cockpit.errors import CockpitError
from cockpit.system import models
from cockpit.system.pace import Pace, brief

LORA_NAMES = frozenset(LoraParameters.model_fields)
# What the hours of a preset leave for validations, checkpoints and loading.
TRAINING_SHARE = 0.9
NOT_PACKED = 16


class Preset(BaseModel):
    """One row of the table; ``plan`` are fields as they are, the rest is worked out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str = Field(min_length=1)
    about: str = Field(min_length=1)
    plan: dict[str, Any] = {}
    updates: PositiveInt | None = None
    epochs: float | None = Field(None, gt=0)
    hours: float | None = Field(None, gt=0)
    otherwise_epochs: float | None = Field(None, gt=0)
    most_epochs: float | None = Field(None, gt=0)
    validations: PositiveInt | None = None
    checkpoints: PositiveInt | None = None
    learning_rate_by_bits: dict[int, float] = {}

    def fields(self, weight_bits: int | None) -> dict[str, Any]:
        """What it changes but for the length; a rate that it sets ends a schedule."""
        found = dict(self.plan)
        if self.learning_rate_by_bits:
            found["learning_rate"] = self._rate(weight_bits or NOT_PACKED)
        return found | ({"lr_schedule": None} if "learning_rate" in found else {})

    def in_words(self) -> list[str]:
        """What it sets, by itself and worked out, one thing each."""
        told = [f"{name} {_shown(value)}" for name, value in self.plan.items()]
        if rates := self.learning_rate_by_bits:
            by_bits = (f"{rate:g} at {bits} bits" for bits, rate in rates.items())
            told.append(f"learning_rate {', '.join(by_bits)}")
        length = {
            "updates": self.updates,
            "epochs": self.epochs,
            "hours": self.hours,
            "validations": self.validations,
            "checkpoints": self.checkpoints,
        }
        counted = {name: value for name, value in length.items() if value}
        return told + [f"{n:g} {name[:-1] if n == 1 else name}" for name, n in counted.items()]

    def _rate(self, bits: int) -> float:
        """That of the packing, or of the next one that is no smaller."""
        known = sorted(self.learning_rate_by_bits)
        wider = [each for each in known if each >= bits]
        return self.learning_rate_by_bits[wider[0] if wider else known[-1]]

    def length(self, size: Size) -> Length:
        """How long it trains; without a change and a word where that cannot be worked out."""
        iters, epochs, note = self._iters(size)
        changes: dict[str, Any] = {} if iters is None else {"iters": iters}
        whole = iters or self.plan.get("iters")
        if whole is not None and self.validations:
            changes["steps_per_eval"] = max(1, whole // self.validations)
        if whole is not None and self.checkpoints:
            changes["save_every"] = max(1, whole // self.checkpoints)
        return Length(changes, epochs, note)

    def _iters(self, size: Size) -> tuple[int | None, float | None, str]:
        if self.updates is not None:
            return self.updates * size.grad_accumulation_steps, None, ""
        if self.hours is not None:
            return self._iters_of_hours(self.hours, size)
        if self.epochs is not None:
            return size.iters(self.epochs), self.epochs, ""
        return None, None, ""

    def _iters_of_hours(self, hours: float, size: Size) -> tuple[int | None, float | None, str]:
        epochs, seconds = self.otherwise_epochs, size.seconds_per_example
        if seconds is None:
            told = (
                f"{epochs or 0:g} epochs in place of {hours:g} hours: no run like it was timed yet"
            )
            return size.iters(epochs) if epochs else None, epochs, told
        updates = int(hours * 3600 * TRAINING_SHARE / (seconds * size.examples_per_update))
        iters = max(1, updates) * size.grad_accumulation_steps
        most = size.iters(self.most_epochs) if self.most_epochs else None
        if most is not None and most < iters:
            took = duration(most // size.grad_accumulation_steps * size.update_seconds)
            told = f"{self.most_epochs:g} epochs take {took}; more would only repeat the data"
            return most, None, told
        return iters, None, f"{hours:g} hours at {brief(size.update_seconds)} an update"


@dataclass(frozen=True, slots=True)
class Size:
    """What decides a length: the plan's batches, the data, and the pace; unknown is None."""

    batch_size: int
    grad_accumulation_steps: int
    train_examples: int | None = None
    seconds_per_example: float | None = None

    @property
    def examples_per_update(self) -> int:
        return self.batch_size * self.grad_accumulation_steps

    @property
    def update_seconds(self) -> float:
        return (self.seconds_per_example or 0.0) * self.examples_per_update

    def iters(self, epochs: float) -> int | None:
        """Iterations of that many epochs."""
        if not self.train_examples:
            return None
        return iters_for_epochs(
            epochs, self.train_examples, self.batch_size, self.grad_accumulation_steps
        )


@dataclass(frozen=True, slots=True)
class Length:
    """The fields that make a plan so long, the epochs if those were asked for, and why."""

    changes: dict[str, Any]
    epochs: float | None = None
    note: str = ""


@lru_cache(maxsize=1)
def load() -> tuple[Preset, ...]:
    """Every preset, in the table's order; CockpitError if the table is damaged."""
    return catalogue.read_table("presets.toml", "presets", lambda n, row: Preset(name=n, **row))


def find(name: str) -> Preset:
    """The preset of that name; CockpitError naming those that there are."""
    for preset in load():
        if preset.name == name:
            return preset
    names = [preset.name for preset in load()]
    close = difflib.get_close_matches(name, names, n=1)
    raise CockpitError(
        f"There is no preset {name!r}",
        f"there are: {', '.join(names)}",
        f"Did you mean {close[0]}?" if close else "See what each does: cockpit presets",
    )


def nested(fields: dict[str, Any]) -> dict[str, Any]:
    """``fields`` as a plan has them, those of the adapter inside ``lora_parameters``."""
    lora = {name: value for name, value in fields.items() if name in LORA_NAMES}
    rest = {name: value for name, value in fields.items() if name not in LORA_NAMES}
    return rest | ({"lora_parameters": lora} if lora else {})


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def weight_bits(model: str) -> int | None:
    """The packing of a model's weights; None if they are not packed, or nobody knows."""
    try:
        entry = models.resolve(model)
    except CockpitError:
        return None
    if entry.path is not None:
        return entry.quantization_bits
    listed = catalogue.find(model)
    return listed.bits if listed is not None else None


def size_of(plan: RunPlan, train_examples: int | None, pace: Pace | None) -> Size:
    """What decides how long a preset makes ``plan``."""
    each = pace.seconds_per_example if pace is not None else None
    return Size(plan.batch_size, plan.grad_accumulation_steps, train_examples, each)
