"""Plan fields as flags: generated from RunPlan, so that they cannot drift apart."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from cockpit.cli import preset_plan
from cockpit.core.plan import LoraParameters, RunPlan, iters_for_epochs
from cockpit.errors import CockpitError
from cockpit.system import plan_file

# Fields with a shape of their own; --set reaches them all.
_NOT_FLAGS = frozenset({"lora_parameters", "lr_schedule", "optimizer_config", "hf_dataset"})
_LISTS = frozenset({"keys", "sample_prompts"})
_METAVARS: dict[Any, str] = {int: "N", float: "X"}


def add_plan_flags(parser: argparse.ArgumentParser) -> None:
    """Adds ``--batch-size`` and the rest; a flag that is not given changes nothing."""
    group = parser.add_argument_group("plan", "mlx-lm's own names; the defaults are mlx-lm's too")
    for name, field in RunPlan.model_fields.items():
        if name not in _NOT_FLAGS:
            _add_flag(group, name, field)
    for name, field in LoraParameters.model_fields.items():
        _add_flag(group, name, field)
    group.add_argument(
        "--epochs", type=float, metavar="N", help="Sets iters from the size of train.jsonl."
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="Any field, in TOML: --set 'optimizer_config.adamw.weight_decay=0.1'",
    )


def add_preset_flag(parser: argparse.ArgumentParser) -> None:
    """Adds ``--preset``, for commands whose plan may take one."""
    parser.add_argument(
        "--preset", metavar="NAME", help="Over the plan, under the flags; see: cockpit presets"
    )


def _add_flag(group: Any, name: str, field: FieldInfo) -> None:
    flag = "--" + name.replace("_", "-")
    silent = field.is_required() or field.default in (None, "", (), False)
    text = (field.description or "") + ("" if silent else f" [{field.default}]")
    options: dict[str, Any] = {"default": None, "help": text.replace("%", "%%")}
    if field.annotation is bool:
        options["action"] = argparse.BooleanOptionalAction
    elif name in _LISTS:
        options |= {"nargs": "+", "metavar": "TEXT"}
    else:
        options["metavar"] = _METAVARS.get(field.annotation, "TEXT")
    group.add_argument(flag, **options)


def plan_from_arguments(arguments: argparse.Namespace, *, without_data: str = "") -> RunPlan:
    """The plan file or mlx-lm YAML, if any, then the preset, with the flags on top.

    ``without_data`` stands in for the data where none is named.
    """
    fields: dict[str, Any] = {}
    sources = [Path(p) for p in (arguments.plan, arguments.config) if p]
    for source in sources:
        plan_file.merge(fields, plan_file.read_fields(source))
    overrides = overrides_from_arguments(arguments)
    preset = preset_plan.named(arguments)
    if preset is not None:
        preset_plan.put_under(preset, fields, overrides)
    plan_file.merge(fields, overrides)
    if "model" not in fields:
        raise CockpitError(
            "No model was named",
            "a plan needs a model and a data set",
            "Try: cockpit train --model nano --data FOLDER, or open the cockpit with: cockpit",
        )
    if without_data and not (fields.get("data") or fields.get("hf_dataset")):
        fields["data"] = without_data
    plan = plan_file.validate(fields, " + ".join(map(str, sources)) or "command line")
    if preset is not None and arguments.epochs is None:
        plan = preset_plan.with_length(preset, plan, overrides)
    return _with_epochs(plan, arguments.epochs)


def overrides_from_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """The plan fields that flags and ``--set`` name, and no others."""
    fields = _given_flags(arguments)
    for assignment in arguments.set:
        plan_file.merge(fields, _parse_assignment(assignment))
    return fields


def _given_flags(arguments: argparse.Namespace) -> dict[str, Any]:
    given = vars(arguments)
    fields = {n: given[n] for n in RunPlan.model_fields if given.get(n) is not None}
    lora = {n: given[n] for n in LoraParameters.model_fields if given.get(n) is not None}
    return fields | ({"lora_parameters": lora} if lora else {})


def _parse_assignment(assignment: str) -> dict[str, Any]:
    try:
        return tomllib.loads(assignment)
    except tomllib.TOMLDecodeError as error:
        raise CockpitError(
            "--set could not be read",
            f"{assignment}: {error}",
            "Write FIELD=VALUE in TOML; text needs quotes: --set 'optimizer=\"adamw\"'",
        ) from error


def _with_epochs(plan: RunPlan, epochs: float | None) -> RunPlan:
    if epochs is None:
        return plan
    if epochs <= 0:
        raise CockpitError("--epochs must be more than 0", f"got {epochs}", "Give 1 or more.")
    from cockpit.system import dataset

    examples = dataset.inspect(Path(plan.data)).train_examples
    return plan.with_changes(
        iters=iters_for_epochs(epochs, examples, plan.batch_size, plan.grad_accumulation_steps)
    )
