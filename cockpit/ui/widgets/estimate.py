"""The lines under the form: will it fit, how long, from what, what stands in the way."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.ui.bars import bar
from cockpit.ui.prospects import Prospects, data_line, time_line
from cockpit.ui.spans import Line, Role, heading, line, width_of
from cockpit.ui.view import Forecast
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.parts import parts_bar, parts_legend

# By method: in full, and where that is too wide.
METHODS = {
    "analytic": ("rough estimate", "rough"),
    "trace": ("from the traced graph", "traced"),
}
BAR_WIDTH = 20
INDENT = " " * 10
_HANGING = " " * 3
# Lines for problems that the details of the forecast leave free.
PROBLEM_ROOM = 2
DETAIL_LINES = 3
# A trace that takes longer says for how long.
SLOW_SECONDS = 3.0


class Estimate(Lines):
    """Memory, time, data, what is amiss, what the field means; more with room."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.forecast: Forecast | None = None
        # Why there is no forecast.
        self.reason = ""
        # The forecast is of the plan as it was, and a newer one is under way.
        self.stale = False
        self.tracing_seconds: float | None = None
        self.searching = False
        self.waiting = True
        self.prospects: Prospects | None = None
        # The cheapest change that makes the plan fit, or that there is none, in words.
        self.fit = ""
        self.problems: list[str] = []
        self.warnings: tuple[str, ...] = ()
        self.about = ""

    @property
    def tracing(self) -> bool:
        return self.tracing_seconds is not None

    def build(self, width: int, height: int) -> Sequence[Line]:
        note = self._activity()
        told = line((note, "accent")) if note else ()
        head = heading(line(("Before you launch", "strong")), told, width)
        waiting = self.waiting or self.tracing
        memory = memory_line(self.forecast, waiting, width, stale=self.stale, reason=self.reason)
        time = time_line(self.prospects, width, stale=self.waiting)
        data = data_line(self.prospects, width, stale=self.waiting)
        spare = height - 5
        details: list[Line] = []
        if spare >= DETAIL_LINES + PROBLEM_ROOM and self.forecast is not None:
            details = detail_lines(self.forecast, width)
        room = spare - len(details)
        problems, warnings = self.problems, self.warnings
        said = problem_lines(problems, warnings, self.waiting, room, width, fit=self.fit)
        about = line((f" {fmt.plain(self.about)}", "label"))
        return [head, memory, *details, time, data, *said, about]

    def _activity(self) -> str:
        if self.tracing_seconds is None:
            return "checking…" if self.waiting else "looking for what fits…" * self.searching
        if self.tracing_seconds < SLOW_SECONDS:
            return "tracing…"
        return f"still tracing, {fmt.duration(self.tracing_seconds)}…"


def memory_line(
    forecast: Forecast | None, waiting: bool, width: int, *, stale: bool, reason: str = ""
) -> Line:
    """``memory  6.10 GB (6.00 to 6.20 GB) of 24.2 GB budget: fits · from the traced graph``."""
    label = line((" memory   ", "label"))
    if forecast is None or forecast.peak_bytes is None:
        unknown = f"n/a: {fmt.plain(reason)}" if reason else "n/a"
        return (*label, ("estimating…" if waiting else unknown, "label"))
    verdict, role = fits(forecast)
    if stale:
        verdict, role = "outdated", "label"
    band = fmt.band(forecast.low_bytes, forecast.high_bytes)
    said = line(
        (fmt.gigabytes(forecast.peak_bytes), "label" if stale else "strong"),
        (f" ({band})" if band else "", "label" if stale else "text"),
        (f" of {fmt.gigabytes(forecast.budget_bytes)} budget: ", "label"), (verdict, role),
    )  # fmt: skip
    for method in methods(forecast):
        whole = (*label, *said, (f" · {method}", "label"))
        if width_of(whole) <= width:
            break
    room = width - width_of(whole) - 2
    if room < 8 or not forecast.budget_bytes:
        return whole
    scale = max(forecast.budget_bytes, forecast.high_bytes or 0, forecast.needed_bytes or 0)
    share, limit = (forecast.needed_bytes or 0) / scale, forecast.budget_bytes / scale
    drawn = bar(share, min(BAR_WIDTH, room), "train" if role == "good" else role, limit)
    return (*whole, ("  ", "text"), *drawn)


def methods(forecast: Forecast) -> tuple[str, ...]:
    """How the figure was found, in full and short; that it was never measured against, if so."""
    known = METHODS.get(forecast.method, (fmt.plain(forecast.method),))
    return tuple(f"{method}, unvalidated" if forecast.unvalidated else method for method in known)


def fits(forecast: Forecast) -> tuple[str, Role]:
    """The verdict in words, on the whole process: all of the band counts, not its middle alone."""
    budget, peak, needed = forecast.budget_bytes, forecast.peak_bytes, forecast.needed_bytes
    if budget is None or peak is None or needed is None:
        return "n/a", "label"
    if needed > budget:
        return "does not fit" + " with its process" * (peak <= budget), "bad"
    highest = (forecast.high_bytes or peak) + needed - peak
    return ("tight", "warn") if highest > budget else ("fits", "good")


def notes_of(forecast: Forecast) -> list[str]:
    """What is said about the forecast, what the person's own data make of it first."""
    return sorted(map(fmt.plain, forecast.notes), key=lambda note: "your data" not in note)


def detail_lines(forecast: Forecast, width: int) -> list[Line]:
    """The notes, and what the forecast is made of."""
    lines = [line((INDENT + "; ".join(notes_of(forecast)), "label"))]
    if forecast.parts and forecast.peak_bytes:
        room = width - len(INDENT) - 1
        lines += [((INDENT, "text"), *parts_bar(forecast, room))]
        lines += [((INDENT, "text"), *parts_legend(forecast, room))]
    return lines


def _wrapped(text: str, width: int, most: int) -> list[str]:
    """``text`` on up to ``most`` lines; what is left over stays on the last one, to be cut."""
    lines = textwrap.wrap(text, max(20, width), subsequent_indent=_HANGING)
    if len(lines) <= most:
        return lines
    rest = " ".join(part.strip() for part in lines[most - 1 :])
    return [*lines[: most - 1], f"{_HANGING}{rest}" if most > 1 else text]


def problem_lines(
    problems: list[str],
    warnings: Sequence[str],
    waiting: bool,
    room: int,
    width: int,
    *,
    fit: str = "",
) -> list[Line]:
    """Problems, then what would fit, then warnings, as far as there is room: a long one on
    several lines if the others have one each."""
    told: list[tuple[str, Role]] = [(f" ✗ {fmt.plain(problem)}", "bad") for problem in problems]
    if fit:
        told.append((f" → {fmt.plain(fit)}", "warn"))
    elif not problems:
        told.append((" checking…", "label") if waiting else (" ✓ ready to launch", "good"))
    told += [(f" ! {fmt.plain(warning)}", "warn") for warning in warnings]
    if len(told) <= room:
        lines: list[Line] = []
        for place, (text, role) in enumerate(told):
            most = room - len(lines) - (len(told) - place - 1)
            lines += [line((part, role)) for part in _wrapped(text, width - 1, most)]
    elif room > 1:
        more = len(told) - room + 1
        lines = [*(line(span) for span in told[: room - 1]), line((f"   and {more} more", "label"))]
    else:
        others = f"  and {len(told) - 2} more (e explains)" if len(told) > 2 else ""
        lines = [line(told[0], (others, "label"), (" ", "text"), told[1])]
    return lines + [()] * (room - len(lines))
