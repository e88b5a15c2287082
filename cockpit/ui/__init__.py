"""The interface: three screens that read run directories and append commands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, NoReturn

from cockpit.ui import environment, lost_terminal

if TYPE_CHECKING:
    from cockpit.core.plan import RunPlan
    from cockpit.system.run_dir import RunDir


def run(
    start: Literal["choose", "runs"] | RunDir = "choose", choose_defaults: RunPlan | None = None
) -> None:
    """Opens the interface on a screen or a run and returns when it is left.

    Prints which runs go on without it and how to come back. Raises CockpitError if the
    interface itself failed, of which the details are then in a log.
    """
    surroundings = environment.prepare()
    lost_terminal.end_with_the_terminal()
    from cockpit.ui.app import CockpitApp

    app = CockpitApp(start, choose_defaults, surroundings)
    try:
        app.run(mouse=surroundings.mouse)
    except Exception as error:
        _raise_crash(error)
    finally:
        app.tracer.close()
    if app.crash is not None:
        _raise_crash(app.crash)
    from cockpit.ui import farewell

    for line in farewell.lines(farewell.active_runs()):
        print(line, file=sys.stderr)


def _raise_crash(error: BaseException) -> NoReturn:
    from cockpit.ui import crash

    raise crash.report(error) from None
