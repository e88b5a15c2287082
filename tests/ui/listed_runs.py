"""Runs that are over, for tests of their list."""

from __future__ import annotations

from cockpit.core import events as ev
from cockpit.system import tags
from cockpit.system.run_dir import RunDir
from tests.ui.conftest import demo_plan, started, updated, write_run


def finished_run() -> RunDir:
    return write_run(
        [
            started(), updated(1, 3.0), updated(2, 1.5),
            ev.Validated(update=2, loss=1.75, seconds=1, tokens=10),
            ev.Ended(status="completed", update=2, peak_bytes=1_300_000_000),
        ],
        forecast={"peak_bytes": 1_200_000_000},
    )  # fmt: skip


def three_runs() -> tuple[RunDir, RunDir, RunDir]:
    """Oldest first: the worst, the best, the one between; the oldest is tagged."""
    runs = []
    for name, loss in (("worst", 3.0), ("best", 1.0), ("middle", 2.0)):
        validated = ev.Validated(update=1, loss=loss, seconds=1, tokens=1)
        events = [started(), updated(1, loss), validated, ev.Ended(status="completed", update=1)]
        runs.append(write_run(events, plan=demo_plan(name=name)))
    tags.write(runs[0], ["night"])
    return runs[0], runs[1], runs[2]
