"""A child's work on a result, followed on the command line: progress on standard error."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any

from cockpit.cli import output
from cockpit.cli.arguments import add_run
from cockpit.cli.forecasting import patience
from cockpit.core.format import plain
from cockpit.results import choice, room
from cockpit.results.child import Child, Job
from cockpit.results.choice import Choice
from cockpit.results.messages import Asked, Message, Piece, Progress, Result
from cockpit.system import run_dir

LINE_SECONDS = 5.0


def add_flags(command: argparse.ArgumentParser) -> None:
    """What every command takes that works on a run's result."""
    add_run(command)
    command.add_argument(
        "--checkpoint", metavar="UPDATE", help="After that update, or 'best' [the newest]."
    )
    command.add_argument(
        "--anyway", action="store_true", help="Even if it may take the memory from a run."
    )


def chosen(arguments: argparse.Namespace, *, whole_examples: bool) -> Choice:
    """The checkpoint that the arguments name; CockpitError where the memory is not to be had."""
    found = choice.choose(run_dir.find(arguments.name), arguments.checkpoint)
    if not arguments.anyway and (training := room.training_now()):
        with patience("a run is training: forecasting whether both fit ..."):
            room.check(found, training, whole_examples=whole_examples)
    return found


def request_of(found: Choice, arguments: argparse.Namespace, **fields: Any) -> dict[str, Any]:
    """What a job is asked; the child chooses again, for a run that trains may prune meanwhile."""
    return {"run": str(found.run.path), "checkpoint": arguments.checkpoint, **fields}


def document_of(job: Job, request: dict[str, Any]) -> dict[str, Any]:
    """Runs the job to its end, showing its progress alone."""
    return next(found.document for found in follow(job, request) if isinstance(found, Result))


def follow(job: Job, request: dict[str, Any]) -> Iterator[Asked | Piece | Result]:
    """What the child brings; its progress is shown as it comes. Ends the child however it ends."""
    with Child(job, request) as child, StatusLine() as status:
        for message in child.messages():
            if isinstance(message, Progress):
                status.show(message)
            else:
                status.clear()
                yield _brought(message)


def _brought(message: Message) -> Asked | Piece | Result:
    assert isinstance(message, Asked | Piece | Result)
    return message


class StatusLine:
    """One line on a terminal, rewritten; elsewhere a line now and then. Warnings stay."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told: float | None = None
        self._drawn = False

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, progress: Progress) -> None:
        if progress.warning:
            self.clear()
            output.say(progress.text)
        elif self._terminal:
            columns = shutil.get_terminal_size().columns
            sys.stderr.write(f"\r{plain(progress.text)[: columns - 1]}\x1b[K")
            sys.stderr.flush()
            self._drawn = True
        elif self._told is None or time.monotonic() - self._told >= LINE_SECONDS:
            output.say(progress.text)
            self._told = time.monotonic()

    def clear(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False
