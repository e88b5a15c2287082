"""``cockpit tag``: a person's own words about a run."""

from __future__ import annotations

import argparse

from cockpit.cli import output
from cockpit.cli.arguments import add_run
from cockpit.core.format import plain
from cockpit.errors import CockpitError
from cockpit.system import run_dir, tags


def add_flags(command: argparse.ArgumentParser) -> None:
    """What ``cockpit tag`` takes."""
    add_run(command)
    command.add_argument("tags", metavar="TAG", nargs="*", help="A word, with or without a #.")
    command.add_argument("--remove", action="store_true", help="Take these tags away.")


def tag(arguments: argparse.Namespace) -> int:
    run = run_dir.find(arguments.name)
    asked = tags.parse(" ".join(arguments.tags))
    if arguments.remove and not asked:
        shown = ", ".join(tags.read(run)) or "none"
        raise CockpitError("No tag was named", f"the run's tags: {shown}", "Name those to remove.")
    kept = tags.read(run)
    if asked:
        change = tags.removed if arguments.remove else tags.added
        kept = tags.write(run, change(kept, asked))
    if arguments.json:
        output.print_json({"run": run.name, "tags": list(kept)})
    elif kept:
        print("\n".join(map(plain, kept)))
    else:
        output.say(f"{run.name} has no tags.")
    return 0
