"""``cockpit keys``: every action and its keys, and a file to change them."""

from __future__ import annotations

import argparse

from cockpit.cli import output
from cockpit.core.format import plain
from cockpit.errors import CockpitError
from cockpit.system.home import keys_path


def add_flags(command: argparse.ArgumentParser) -> None:
    """What ``cockpit keys`` takes."""
    command.add_argument(
        "--write", action="store_true", help="Write a file with every action, to change."
    )


def keys(arguments: argparse.Namespace) -> int:
    from cockpit.ui import keymap

    path = keys_path()
    known, own = keymap.actions(), keymap.read(path)
    if arguments.write:
        _write(keymap.template(known))
    if arguments.json:
        listed = [
            {"action": action.id, "keys": keymap.keys_now(action, own), "about": action.about}
            for action in known
        ]
        document = {"file": str(path), "actions": listed, "problems": list(own.problems)}
        output.print_json(document)
        return 0
    if not arguments.write:
        rows = [(one.id, " ".join(keymap.keys_now(one, own)), one.about) for one in known]
        output.print_table(("ACTION", "KEYS", "WHAT IT DOES"), rows)
        print(f"\nYour own keys: {plain(str(path))}")
        print("Start with every action in it: cockpit keys --write")
    for problem in own.problems:
        output.say(f"warning: {problem}")
    return 0


def _write(text: str) -> None:
    path = keys_path()
    if path.exists():
        raise CockpitError("There are keys of your own already", str(path), "Edit that file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CockpitError(
            "The keys could not be written", f"{path}: {error.strerror}", "See to its folder."
        ) from error
    output.say(f"Written: {path}")
    output.say("Take the # from a line and change its keys; the cockpit reads it when it opens.")
