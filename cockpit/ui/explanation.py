"""Everything that is known about a plan before its launch, as the text of a dialog."""

from __future__ import annotations

from cockpit.core import format as fmt
from cockpit.errors import CockpitError
from cockpit.ui import fitting
from cockpit.ui.assessment import Assessment
from cockpit.ui.fitting import Fitting
from cockpit.ui.prospects import Prospects, in_full
from cockpit.ui.spans import pad
from cockpit.ui.view import Forecast
from cockpit.ui.widgets.estimate import methods, notes_of
from cockpit.ui.widgets.parts import largest_first


def explanation(
    of_the_form: list[str],
    found: Assessment,
    forecast: Forecast | None,
    fitted: Fitting | None,
    prospects: Prospects | None,
) -> str:
    """Problems, warnings, time, data, the forecast by part, and what fits; empty if unknown."""
    parts = [f"✗ {problem}" for problem in of_the_form]
    parts += [_whole(problem) for _, problem in found.findings]
    parts += [f"! {warning}" for warning in found.warnings]
    if prospects is not None:
        parts.append(in_full(prospects))
    if forecast is not None and forecast.peak_bytes is not None:
        band = fmt.band(forecast.low_bytes, forecast.high_bytes)
        head = f"Memory: {fmt.gigabytes(forecast.peak_bytes)} ({band}), {methods(forecast)[0]}"
        sizes = [
            f"  {pad(name, 18)}{fmt.gigabytes(size):>9}"
            for name, size, *_ in largest_first(forecast)
        ]
        parts.append("\n".join([head, *sizes, *(f"  {note}" for note in notes_of(forecast))]))
    if fitted is not None:
        parts.append(fitting.table(fitted.advice))
    return "\n\n".join(parts)


def in_short(problem: CockpitError) -> str:
    """A problem on one line."""
    return f"{problem.title}: {problem.message}" if problem.message else problem.title


def _whole(problem: CockpitError) -> str:
    remedy = f"→ {problem.remedy}" if problem.remedy else ""
    return "\n".join(part for part in (f"✗ {problem.title}", problem.message, remedy) if part)
