"""The kind of parser every command has, and how a command is added."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from cockpit.errors import CockpitError

Handler = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose mistakes are CockpitErrors, like everybody else's."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)

    # Whether flags may stand between a command's names and texts, as people type them.
    intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if not self.intermixed:
            return super().parse_known_args(args, namespace)
        self.intermixed = False  # it comes back here for either kind
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.intermixed = True

    def error(self, message: str) -> NoReturn:
        raise CockpitError("The command was not understood", message, f"See: {self.prog} --help")


def add_run(command: argparse.ArgumentParser, to: str = "name") -> None:
    """The run that a command is about, as ``arguments.name``."""
    command.add_argument(to, metavar="RUN", help="A run's name, part of it, or 'latest'.")


def add_detach_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument("--detach", action="store_true", help="Start it and return at once.")


def add_launch_flags(command: argparse.ArgumentParser) -> None:
    """What decides whether and how a plan is launched."""
    add_detach_flag(command)
    command.add_argument(
        "--anyway",
        action="store_true",
        help="Launch even if it is not expected to fit. The guard still stops what surely "
        "cannot; with --guard warn it only says so.",
    )


# Adds a command by its name, its handler, a line about it and, for its own help, more of that.
Adder = Callable[..., Parser]
