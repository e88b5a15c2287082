"""What is said on leaving: which runs go on, and how to come back to them."""

from __future__ import annotations

from cockpit.core.format import plain
from cockpit.core.run_state import ACTIVE


def active_runs() -> list[str]:
    """Names of the runs that are alive, newest first; reads run directories."""
    from cockpit.system import observe

    return [summary.run for summary in observe.list_summaries() if summary.status in ACTIVE]


def lines(active: list[str]) -> list[str]:
    """Nothing without a live run; else one line that says so and one for each way back."""
    if not active:
        return []
    return [
        "Training goes on in the background. Come back with:",
        *(f"  cockpit attach {plain(run)}" for run in active),
    ]
