"""The fields of the plan form: their order, how a text becomes a value, and sensible steps."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from cockpit.core.plan import LoraParameters, RunPlan

Kind = Literal["text", "folder", "number", "choice", "switch", "structure"]

# What decides a run's result and its memory; the rest is behind "all fields".
KEY_FIELDS = (
    "data", "profile", "fine_tune_type", "num_layers", "rank", "batch_size",
    "grad_accumulation_steps", "max_seq_length", "epochs", "iters", "learning_rate",
    "grad_checkpoint", "mask_prompt",
)  # fmt: skip
LORA_FIELDS = tuple(LoraParameters.model_fields)
# The model has a list of its own.
_ELSEWHERE = frozenset({"model", "lora_parameters"})
_OWN: dict[str, tuple[Kind, str]] = {
    "profile": ("choice", "The machine whose memory budget the plan is held against."),
    "epochs": ("number", "Times each example is shown; sets iters from the size of train.jsonl."),
}
_DOUBLED = frozenset(
    {"rank", "batch_size", "grad_accumulation_steps", "max_seq_length", "iters", "epochs"}
)
_RATES = frozenset({"learning_rate"})
SWITCH = ("off", "on")
LIMITS = frozenset({"ge", "gt", "le", "lt"})


@dataclass(frozen=True, slots=True)
class PlanField:
    """One row of the form. ``choices`` may be empty for a choice that is known later."""

    name: str
    kind: Kind
    about: str
    choices: tuple[str, ...] = ()


def all_fields() -> tuple[str, ...]:
    """Names of all fields, the key fields first."""
    rest = [name for name in RunPlan.model_fields if name not in KEY_FIELDS]
    names = [*KEY_FIELDS, *(n for n in LORA_FIELDS if n not in KEY_FIELDS), *rest]
    return tuple(name for name in names if name not in _ELSEWHERE)


@cache
def field(name: str) -> PlanField:
    """The field of that name."""
    if name in _OWN:
        kind, about = _OWN[name]
        return PlanField(name, kind, about)
    info = _info(name)
    about = info.description or ""
    if name == "data":
        return PlanField(name, "folder", about)
    annotation = info.annotation
    if annotation is bool:
        return PlanField(name, "switch", about, SWITCH)
    if get_origin(annotation) is Literal:
        return PlanField(name, "choice", about, get_args(annotation))
    if annotation in (int, float):
        return PlanField(name, "number", about)
    plain_text = annotation is str or set(get_args(annotation)) == {str, NoneType}
    if plain_text:
        return PlanField(name, "text", about)
    return PlanField(name, "structure", f"{about} As TOML or JSON.".strip())


def read(name: str, text: str) -> Any:
    """The value that ``text`` stands for; ValueError with a few words if it stands for none."""
    info, kind = _info(name), field(name).kind
    text = text.strip()
    if not text and kind != "text":
        if info.is_required() or kind == "number":
            raise ValueError("a value is needed")
        return info.get_default(call_default_factory=True)
    value: Any = _structure(text) if kind == "structure" else text
    if kind == "text" and not text and info.annotation is not str:
        return None
    try:
        return _adapter(name).validate_python(value)
    except ValidationError as error:
        raise ValueError(_in_words(error)) from error


def write(value: Any) -> str:
    """The text of a value, as ``read`` takes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return SWITCH[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value) if value else ""
    if hasattr(value, "model_dump"):
        return json.dumps(value.model_dump(mode="json"))
    return str(value)


def stepped(name: str, text: str, direction: int, choices: tuple[str, ...] = ()) -> str | None:
    """The next value up or down, as text; None where there is no such thing as a next value.

    Sizes double and halve, layers go by one, rates go 1, 2, 5; choices go round.
    """
    choices = choices or field(name).choices
    if choices:
        at = choices.index(text) if text in choices else -direction
        return choices[(at + direction) % len(choices)]
    if field(name).kind != "number":
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    if name in _RATES:
        return write(_next_rate(number, direction))
    whole = _info(name).annotation is int if name not in _OWN else False
    if name in _DOUBLED:
        number = number * 2 if direction > 0 else number / 2
        return write(max(1, int(number)) if whole else number)
    return write(int(number) + direction) if whole else None


def _next_rate(rate: float, direction: int) -> float:
    from math import floor, log10

    power = 10.0 ** floor(log10(rate)) if rate > 0 else 1e-5
    ladder = [factor * power * shift for shift in (0.1, 1, 10) for factor in (1, 2, 5)]
    if direction > 0:
        return min(step for step in ladder if step > rate * 1.001)
    return max(step for step in ladder if step < rate * 0.999)


def _info(name: str) -> FieldInfo:
    fields = LoraParameters.model_fields if name in LORA_FIELDS else RunPlan.model_fields
    return fields[name]


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    info = _info(name)
    annotation: Any = info.annotation
    for extra in info.metadata:
        annotation = Annotated[annotation, extra]
    return TypeAdapter(annotation)


def _structure(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError("neither TOML nor JSON") from error


def _in_words(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    limits = {name: f"{limit:g}" for name, limit in first.get("ctx", {}).items() if name in LIMITS}
    words = {
        "int_parsing": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_parsing": "must be a number",
        "finite_number": "must be a finite number",
        "greater_than_equal": f"must be at least {limits.get('ge')}",
        "greater_than": f"must be more than {limits.get('gt')}",
        "less_than": f"must be less than {limits.get('lt')}",
        "less_than_equal": f"must be at most {limits.get('le')}",
    }
    return words.get(first["type"], first["msg"].removeprefix("Value error, "))
