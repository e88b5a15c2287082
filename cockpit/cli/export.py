"""``cockpit export``: the data of runs as a file, or on standard output."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cockpit.cli import output
from cockpit.core.format import plain
from cockpit.errors import CockpitError
from cockpit.system import export_file, run_dir
from cockpit.system.run_dir import RunDir
from cockpit.system.typed_path import expanded
from cockpit.ui import exporting

STANDARD_OUTPUT = "-"


def add_flags(command: argparse.ArgumentParser) -> None:
    """What ``cockpit export`` takes."""
    command.add_argument(
        "names", nargs="+", metavar="RUN", help="Names, parts of them, or 'latest'."
    )
    command.add_argument(
        "--format",
        choices=tuple(exporting.FORMATS),
        help="What to write [the ending of --output, else csv].",
    )
    command.add_argument(
        "--output",
        metavar="PATH",
        help="The file, or a folder for it; - is standard output [a free name here].",
    )
    command.add_argument("--force", action="store_true", help="Write over a file that is there.")


def export(arguments: argparse.Namespace) -> int:
    runs = list(dict.fromkeys(run_dir.find(name) for name in arguments.names))
    kind = _format(arguments)
    if arguments.output == STANDARD_OUTPUT:
        if arguments.json:
            raise CockpitError(
                "--json and --output - both want standard output",
                "--json prints what was written where, not the runs",
                "Leave --json away; the runs as JSON are: --format json --output -",
            )
        # As in a file: UTF-8, whatever the terminal speaks.
        sys.stdout.buffer.writelines(piece.encode() for piece in exporting.pieces(runs, kind))
        sys.stdout.buffer.flush()
        return 0
    path = _path(arguments.output, runs, kind)
    if os.path.lexists(path) and not arguments.force:
        raise export_file.already_there(path, "Name another file, or write over it with --force.")
    export_file.write(path, exporting.pieces(runs, kind), over=arguments.force)
    if arguments.json:
        names = [run.name for run in runs]
        output.print_json({"path": str(path), "format": kind, "runs": names})
    else:
        print(plain(str(path)))
    return 0


def _format(arguments: argparse.Namespace) -> str:
    named = exporting.format_of(Path(arguments.output)) if arguments.output else None
    kind: str | None = arguments.format or named
    return kind or "csv"


def _path(named: str | None, runs: Sequence[RunDir], kind: str) -> Path:
    """The whole path; a free name where none is given."""
    if named is None:
        return exporting.proposed(runs, kind, Path.cwd())
    path = expanded(named).absolute()
    return exporting.proposed(runs, kind, path) if path.is_dir() else path
