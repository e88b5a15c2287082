"""The lines under the form: the memory estimate, what stands in the way, the field's meaning."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.ui.bars import bar
from cockpit.ui.spans import Line, Role, heading, line, width_of
from cockpit.ui.view import Forecast
from cockpit.ui.widgets.lines import Lines

METHODS = {"analytic": "rough estimate", "trace": "traced"}
BAR_WIDTH = 20


class Estimate(Lines):
    """Three lines: memory, the first problem or that there is none, what the field means."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.forecast: Forecast | None = None
        self.waiting = True
        self.problems: list[str] = []
        self.about = ""

    def build(self, width: int, height: int) -> Sequence[Line]:
        head = heading(line(("Before you launch", "strong")), (), width)
        memory = memory_line(self.forecast, self.waiting, width)
        about = line((f" {fmt.plain(self.about)}", "label"))
        spare = height - 3
        return [head, memory, *problem_lines(self.problems, self.waiting, spare), about]


def memory_line(forecast: Forecast | None, waiting: bool, width: int) -> Line:
    """``Memory  rough estimate 1.20 GB (0.80 to 2.00) of 5.30 GB budget: fits``."""
    label = line((" memory   ", "label"))
    if forecast is None or forecast.peak_bytes is None:
        return (*label, ("estimating…" if waiting else "n/a", "label"))
    verdict, role = fits(forecast)
    method = METHODS.get(forecast.method, fmt.plain(forecast.method))
    band = fmt.band(forecast.low_bytes, forecast.high_bytes)
    said = line(
        (f"{method} ", "label"), (fmt.gigabytes(forecast.peak_bytes), "strong"),
        (f" ({band})" if band else "", "text"),
        (f" of {fmt.gigabytes(forecast.budget_bytes)} budget: ", "label"), (verdict, role),
    )  # fmt: skip
    room = width - width_of(said) - width_of(label) - 2
    if room < 8 or not forecast.budget_bytes:
        return (*label, *said)
    scale = max(forecast.budget_bytes, forecast.high_bytes or forecast.peak_bytes)
    share, limit = forecast.peak_bytes / scale, forecast.budget_bytes / scale
    drawn = bar(share, min(BAR_WIDTH, room), "train" if role == "good" else role, limit)
    return (*label, *said, ("  ", "text"), *drawn)


def fits(forecast: Forecast) -> tuple[str, Role]:
    """The verdict in words: the whole band counts, not its middle alone."""
    budget, peak = forecast.budget_bytes, forecast.peak_bytes
    if budget is None or peak is None:
        return "n/a", "label"
    if peak > budget:
        return "does not fit", "bad"
    return ("tight", "warn") if (forecast.high_bytes or peak) > budget else ("fits", "good")


def problem_lines(problems: list[str], waiting: bool, room: int) -> list[Line]:
    """The problems as far as there is room, and how many more there are."""
    if not problems:
        ready = "checking…" if waiting else "✓ ready to launch"
        return [line((f" {ready}", "label" if waiting else "good"))] + [()] * (room - 1)
    shown = problems[:room] if len(problems) <= room else problems[: room - 1]
    lines = [line((f" ✗ {fmt.plain(problem)}", "bad")) for problem in shown]
    if len(shown) < len(problems):
        lines.append(line((f"   and {len(problems) - len(shown)} more", "bad")))
    return lines + [()] * (room - len(lines))
