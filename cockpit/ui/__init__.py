"""The interface: three screens that read run directories and append commands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

from cockpit.ui import environment

if TYPE_CHECKING:
    from cockpit.core.plan import RunPlan
    from cockpit.system.run_dir import RunDir


def run(
    start: Literal["choose", "runs"] | RunDir = "choose", choose_defaults: RunPlan | None = None
) -> None:
    """Opens the interface on a screen or a run and returns when it is left.

    Prints which runs go on without it and how to come back.
    """
    surroundings = environment.prepare()
    from cockpit.ui.app import CockpitApp

    app = CockpitApp(start, choose_defaults, surroundings)
    app.run(mouse=surroundings.mouse)
    from cockpit.ui import farewell

    for line in farewell.lines(farewell.active_runs()):
        print(line, file=sys.stderr)
