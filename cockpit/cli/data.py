"""``cockpit data``: what is in a data set, what is wrong with it, and mlx-lm's layout of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cockpit.cli import output
from cockpit.cli.plan_arguments import overrides_from_arguments
from cockpit.cli.progress import ProgressBar
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import models, plan_file
from cockpit.system.typed_path import expanded

if TYPE_CHECKING:
    from cockpit.data.convert import Conversion
    from cockpit.data.tokens import Encoder


def data(arguments: argparse.Namespace) -> int:
    from cockpit.cli import data_report
    from cockpit.data.examine import examine

    where = _folder(arguments)
    if arguments.example is not None and arguments.example < 1:
        raise CockpitError(
            "Examples are numbered from 1", f"--example {arguments.example}", "Try: 1"
        )
    plan = _plan(arguments, where)
    encoder = _encoder(arguments.model, plan)
    conversion = _converted(arguments, where, plan)
    if conversion is not None:
        where = conversion.folder
    with ProgressBar("reading") as bar:
        report = examine(where, plan, encoder, example=arguments.example or 1, progress=bar)
    if arguments.json:
        document: dict[str, Any] = report.to_json()
        document["conversion"] = conversion.to_json() if conversion else None
        output.print_json(document)
    else:
        if conversion is not None:
            data_report.print_conversion(conversion)
        data_report.print_report(report, whole_example=arguments.example is not None)
    return 0 if report.trainable else 1


def _folder(arguments: argparse.Namespace) -> Path:
    named = {name for name in (arguments.folder, arguments.data) if name}
    if len(named) != 1:
        raise CockpitError("Name one data folder", "cockpit data DIR", "See: cockpit data --help")
    return expanded(named.pop())


def _plan(arguments: argparse.Namespace, where: Path) -> RunPlan:
    fields: dict[str, Any] = {"model": "nano", "data": str(where)}
    plan_file.merge(fields, overrides_from_arguments(arguments) | {"data": str(where)})
    return plan_file.validate(fields, "command line")


def _encoder(model: str | None, plan: RunPlan) -> Encoder | None:
    """The model's own tokens; None, for an estimate, if no model is named."""
    if model is None:
        return None
    folder = models.resolve(model).path
    if folder is None:
        raise CockpitError(
            "The model is not on this machine",
            model,
            "Download it first (hf download), or leave --model out for an estimate.",
        )
    from cockpit.data.tokens import ModelTokens

    return ModelTokens(model, folder, plan.mask_prompt, plan.trust_remote_code)


def _converted(arguments: argparse.Namespace, where: Path, plan: RunPlan) -> Conversion | None:
    if arguments.convert is None:
        if arguments.split is not None:
            raise CockpitError(
                "--split needs a place to write to",
                f"--split {arguments.split}",
                f"Name a new folder: cockpit data {where} --split {arguments.split} --convert OUT",
            )
        return None
    from cockpit.data.convert import convert
    from cockpit.data.split import parse_shares

    shares = parse_shares(arguments.split) if arguments.split else None
    with ProgressBar("converting") as bar:
        return convert(where, Path(arguments.convert), plan, shares, bar)
