"""Opening the full-screen interface, when there is a terminal for it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cockpit.errors import CockpitError

if TYPE_CHECKING:
    from cockpit.system.run_dir import RunDir


def on_a_terminal() -> bool:
    """Whether a full-screen program can be shown here."""
    return sys.stdin.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def open_interface() -> int:
    if not on_a_terminal():
        raise CockpitError(
            "The interface needs a terminal",
            "standard input or standard error is not one (or TERM=dumb)",
            "Use a command instead: cockpit demo, cockpit train, cockpit runs; see cockpit --help",
        )
    return show(None)


def show(run: RunDir | None) -> int:
    """Opens the interface, on ``run`` if there is one, and returns when it is left."""
    from cockpit import ui

    ui.run("choose" if run is None else run)
    if run is None:
        return 0
    from cockpit.cli import ending, follow

    state = follow.current_state(run)
    if not state.active:
        ending.print_samples(state)
        ending.print_ending(run, run.plan(), state)
    return 0
