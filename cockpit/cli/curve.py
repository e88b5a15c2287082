"""The loss curve as text, for the end of a plain run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from cockpit.core.run_state import RunState


def plotted(state: RunState) -> str | None:
    """Training and validation loss over updates, drawn by plotext; None without a curve."""
    if len(state.losses) < 2:
        return None
    import plotext

    width = min(100, shutil.get_terminal_size((80, 24)).columns)
    plotext.clear_figure()
    plotext.plotsize(width, 18)
    plotext.plot(*zip(*state.losses, strict=True), label="train", marker="braille")
    if state.validations:
        updates = [validation.update for validation in state.validations]
        losses = [validation.loss for validation in state.validations]
        plotext.scatter(updates, losses, label="validation", marker="x")
    return _drawn(plotext)


def overlaid(curves: Sequence[tuple[str, Sequence[tuple[int, float]]]]) -> str | None:
    """Several curves in one plot, each drawn with its own one-letter label; None without any."""
    shown = [(label, points) for label, points in curves if len(points) > 1]
    if not shown:
        return None
    import plotext

    width = min(100, shutil.get_terminal_size((80, 24)).columns)
    plotext.clear_figure()
    plotext.plotsize(width, 18)
    for label, points in shown:
        plotext.plot(*zip(*points, strict=True), label=label, marker=label)
    return _drawn(plotext)


def _drawn(plotext: Any) -> str:
    plotext.xlabel("update")
    plotext.title("loss")
    bare = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    coloured = sys.stdout.isatty() and not bare
    if not coloured:
        plotext.theme("clear")
    drawing = str(plotext.build())
    return drawing if coloured else str(plotext.uncolorize(drawing))
