"""``cockpit resume``: what is inherited, what is overridden, and on it goes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cockpit.cli import forecasting, output, train
from cockpit.cli.plan_arguments import overrides_from_arguments
from cockpit.core.plan import iters_for_epochs
from cockpit.errors import CockpitError
from cockpit.system import resume as resuming
from cockpit.system import run_dir
from cockpit.system.resume import ResumePlan


def resume(arguments: argparse.Namespace) -> int:
    prepared = _prepare(arguments)
    for line in _lines(prepared):
        output.say(line)
    prepared.raise_refusal()
    _, forecast = forecasting.before_launch(prepared.plan, anyway=arguments.anyway)
    resuming.start(prepared, forecast)
    return train.follow_or_leave(prepared.run, arguments)


def _prepare(arguments: argparse.Namespace) -> ResumePlan:
    named, newest = arguments.which, arguments.latest
    if bool(named) == bool(newest):
        raise CockpitError(
            "Which run?" if not named else "A run and --latest are two answers",
            "a run's name, a part of it, or --latest for the newest that can go on",
            "Try: cockpit resume --latest, or list them with: cockpit runs",
        )
    overrides = overrides_from_arguments(arguments)
    if newest:
        _refuse_epochs(arguments)
        return resuming.prepare_latest(overrides, from_update=arguments.from_update)
    run = run_dir.find(named)
    if arguments.epochs is not None:
        overrides["iters"] = _iters(run, overrides, arguments.epochs)
    return resuming.prepare(run, overrides, from_update=arguments.from_update)


def _refuse_epochs(arguments: argparse.Namespace) -> None:
    if arguments.epochs is not None:
        raise CockpitError(
            "--epochs needs a run by name", "got --latest", "Use --iters, or name the run."
        )


def _iters(run: run_dir.RunDir, overrides: dict[str, Any], epochs: float) -> int:
    """--epochs of the run's data, counted from the run's beginning."""
    from cockpit.system import dataset

    if epochs <= 0:
        raise CockpitError("--epochs must be more than 0", f"got {epochs}", "Give 1 or more.")
    plan = run.plan()
    examples = dataset.inspect(Path(overrides.get("data", plan.data))).train_examples
    accumulation = int(overrides.get("grad_accumulation_steps", plan.grad_accumulation_steps))
    batch = plan.examples_per_update // accumulation
    return iters_for_epochs(epochs, examples, batch, accumulation)


def _lines(prepared: ResumePlan) -> Iterator[str]:
    """What a person should know before it starts."""
    for damage in prepared.passed_over:
        yield f"passed over: {damage}"
    yield f"resuming {prepared.run.name} from {prepared.checkpoint.relative_to(prepared.run.path)}"
    for line in prepared.inherited:
        yield f"  inherited   {line}"
    for line in prepared.overridden:
        yield f"  overridden  {line}"
    for line in prepared.warnings:
        yield f"  warning     {line}"
