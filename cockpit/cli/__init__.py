"""The command line: parse, call the parts, print for people or as one JSON document."""

from __future__ import annotations

import os
import sys

from cockpit.cli import interface, output
from cockpit.errors import CockpitError


def run(argv: list[str]) -> int:
    """Runs one command and returns its exit code: 0 done, 1 failed, 2 a wrong request."""
    wants_json = "--json" in argv
    try:
        # Bare `cockpit` paints at once: the parser brings what only commands need.
        return _run_command(argv) if argv else interface.open_interface()
    except CockpitError as error:
        output.print_error(error, as_json=wants_json)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone: keep the interpreter's shutdown from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run_command(argv: list[str]) -> int:
    from cockpit.cli.parser import build_parser

    arguments = build_parser().parse_args(argv)
    return int(arguments.run(arguments))
