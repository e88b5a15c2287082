"""Which commands exist, what they take, and which function runs each."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from cockpit import __version__
from cockpit.cli import demo, interface, machine, runs, train
from cockpit.cli.plan_arguments import add_plan_flags
from cockpit.errors import CockpitError

Handler = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose mistakes are CockpitErrors, like everybody else's."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise CockpitError("The command was not understood", message, f"See: {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="cockpit",
        description="A cockpit for LoRA fine-tuning with MLX. Without a command it opens the "
        "interface. Training runs in the background and outlives this terminal.",
        epilog="Runs live in COCKPIT_HOME (see `cockpit doctor`). First time? `cockpit demo`.",
    )
    parser.add_argument("--version", action="version", version=f"mlx-cockpit {__version__}")
    parser.set_defaults(run=interface.open_interface)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, handler: Handler, about: str, detail: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=detail or about)
        command.add_argument("--json", action="store_true", help="Print one JSON document.")
        command.set_defaults(run=handler)
        return command

    _add_training(add)
    _add_runs(add)
    _add_machine(add)
    return parser


def _add_training(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("demo", demo.demo, "Train the embedded model, for real, in about a minute.")
    command.add_argument("--plain", action="store_true", help="Progress lines, no interface.")

    command = add(
        "train",
        train.train,
        "Start a run and follow it; the run outlives this command.",
        "Starts a run and follows it. Interrupting this command does not stop the run.",
    )
    command.add_argument("plan", nargs="?", metavar="PLAN.toml", help="A plan to start from.")
    command.add_argument("-c", "--config", metavar="YAML", help="A configuration of mlx_lm.lora.")
    command.add_argument("--detach", action="store_true", help="Start it and return at once.")
    command.add_argument(
        "--anyway", action="store_true", help="Launch even if it is not expected to fit."
    )
    add_plan_flags(command)


def _add_runs(add: Callable[..., argparse.ArgumentParser]) -> None:
    add("runs", runs.list_runs, "List all runs, newest first.")
    for name, handler, about in (
        ("show", runs.show, "Everything known about one run."),
        ("attach", runs.attach, "Watch a run: in the interface, or as lines with --plain."),
        ("stop", runs.stop, "Ask a run to checkpoint and stop; again to insist."),
    ):
        command = add(name, handler, about)
        command.add_argument("name", metavar="RUN", help="A run's name, part of it, or 'latest'.")
        if name == "attach":
            command.add_argument("--plain", action="store_true", help="Lines, no interface.")


def _add_machine(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("profiles", machine.profiles, "Hardware profiles, and the one detected here.")
    command.add_argument("name", nargs="?", metavar="NAME", help="Show one as TOML.")
    add("doctor", machine.doctor, "Check this machine, with a remedy for each finding.")
