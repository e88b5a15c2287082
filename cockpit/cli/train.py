"""``cockpit train``: prepare, forecast, launch, follow."""

from __future__ import annotations

import argparse

from cockpit.cli import curve, ending, follow, output
from cockpit.cli.plan_arguments import plan_from_arguments
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import ACTIVE, RunState
from cockpit.system import launcher, observe, preflight, run_dir, run_lock
from cockpit.system.run_dir import RunDir

# Ended.kind of a run that could never have worked as asked.
WRONG_REQUEST = frozenset({"plan", "model", "data", "adapter", "checkpoint"})


def train(arguments: argparse.Namespace) -> int:
    from cockpit.cli import forecasting

    asked = forecasting.with_needed_keys(plan_from_arguments(arguments))
    found = preflight.examine(asked)
    found.raise_first()
    for line in found.warnings:
        output.say(line)
    run = launch(found.plan, anyway=arguments.anyway, take_fitting=arguments.fit)
    return follow_or_leave(run, arguments)


def follow_or_leave(run: RunDir, arguments: argparse.Namespace) -> int:
    """Follows a run that was just started to its end, or with ``--detach`` says how to."""
    if not arguments.detach:
        return follow_to_the_end(run, as_json=arguments.json)
    output.say(f"{run.name} is training in the background.")
    output.say(f"watch it: cockpit attach {run.name}   stop it: cockpit stop {run.name}")
    if arguments.json:
        output.print_json(observe.summary(run).document())
    return 0


def launch(plan: RunPlan, *, anyway: bool, take_fitting: bool = False) -> RunDir:
    """Creates the run directory and starts its supervisor; says what was forecast."""
    from cockpit.cli import forecasting

    plan, forecast = forecasting.before_launch(plan, anyway=anyway, take_fitting=take_fitting)
    run = run_dir.create(plan, forecast)
    launcher.launch(run)
    return run


def follow_to_the_end(run: RunDir, *, as_json: bool) -> int:
    """Follows ``run`` and reports its end; Ctrl-C leaves it training if it does."""
    if run_lock.is_held(run) or observe.summary(run).status in ACTIVE:
        stop = f"stop it with: cockpit stop {run.name}"
        output.say(f"run {run.name}: Ctrl-C leaves it training; {stop}")
    try:
        state = follow.follow(run)
    except KeyboardInterrupt:
        output.say(f"\nTraining goes on in the background: cockpit attach {run.name}")
        raise
    _learn_from(state)
    ending.print_samples(state)
    if not as_json and (drawing := curve.plotted(state)):
        print(drawing, flush=True)
    ending.print_ending(run, run.plan(), state)
    if as_json:
        output.print_json(observe.summary(run).document())
    return exit_code(state)


def _learn_from(state: RunState) -> None:
    """The next forecast's band comes from runs that finished."""
    if state.status == "completed":
        from cockpit.memory import history

        history.record_here()


def exit_code(state: RunState) -> int:
    if state.status != "failed":
        return 0
    return 2 if state.end is not None and state.end.kind in WRONG_REQUEST else 1
