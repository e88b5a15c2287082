"""Memory: forecast, live and peak on one scale, and the machine's swap and pressure."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.core.samples import MemorySample
from cockpit.ui.bars import bar, recent, sparkline
from cockpit.ui.spans import Line, Role, heading, indented, line, pad
from cockpit.ui.view import RunView
from cockpit.ui.widgets.lines import Lines

NAME_WIDTH = 10
VALUE_WIDTH = 9
HISTORY_SECONDS = 5
# Below this share of the budget, bars are drawn on a scale of their own and without the mark.
SMALL_SHARE = 0.1
PRESSURE_LEVEL = {"normal": 0.0, "warning": 0.6, "critical": 1.0}
PRESSURE_ROLE: dict[str, Role] = {"normal": "good", "warning": "warn", "critical": "bad"}


class MemoryPanel(Lines):
    """Five lines always; RAM, footprint and the forecast's parts where there is room."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: RunView | None = None

    def update_view(self, view: RunView) -> None:
        self._view = view
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._view is None:
            return ()
        head = heading(line(("Memory", "strong")), budget_text(self._view), width)
        inner = width - 2
        lines = [*run_lines(self._view, inner), *machine_lines(self._view, inner)]
        lines += more_lines(self._view, inner)
        return [head, *indented(lines)][:height]


def budget_text(view: RunView) -> Line:
    return line(("budget ", "label"), fmt.gigabytes(view.forecast.budget_bytes))


def run_lines(view: RunView, width: int) -> list[Line]:
    """Forecast, peak and live, each a bar on the scale of the largest of them all."""
    forecast, peak, live = view.forecast, view.state.peak_bytes, view.live_bytes
    budget = forecast.budget_bytes
    scale = _scale([forecast.peak_bytes, peak, live], budget)
    over = budget is not None and peak is not None and peak > budget
    band = fmt.band(forecast.low_bytes, forecast.high_bytes)
    rows: tuple[tuple[str, int | None, Role, str], ...] = (
        ("forecast", forecast.peak_bytes, "label", band),
        ("peak", peak, "bad" if over else "train", "over budget" if over else ""),
        ("live", live, "train", ""),
    )
    note_width = max(len(note) for *_, note in rows)
    bar_width = width - NAME_WIDTH - VALUE_WIDTH - 2 - (note_width + 1 if note_width else 0)
    limit = budget / scale if budget and budget <= scale else None
    return [
        line(
            *_named(name, fmt.gigabytes(size)),
            *bar(
                size / scale if size is not None and scale else None, max(4, bar_width), role, limit
            ),
            (f" {note}" if note else "", "bad" if name == "peak" else "label"),
        )
        for name, size, role, note in rows
    ]


def _scale(sizes: list[int | None], budget: int | None) -> float:
    """What fills a bar: the budget or more; a little more than the largest if that is tiny."""
    largest = max((size for size in sizes if size), default=0)
    if budget and (not largest or largest >= SMALL_SHARE * budget):
        return max(largest, budget)
    return largest * 1.25


def machine_lines(view: RunView, width: int) -> list[Line]:
    """Swap and pressure, now and over the last minutes."""
    sample = view.sample or MemorySample()
    history = width - NAME_WIDTH - VALUE_WIDTH - 14
    cells = min(60, max(0, history))
    samples = view.state.memory
    swap = recent(((t, s.swap_used_bytes) for t, s in samples), cells, HISTORY_SECONDS)
    pressure = recent(((t, pressure_level(s)) for t, s in samples), cells, HISTORY_SECONDS)
    total = sample.swap_total_bytes
    role: Role = PRESSURE_ROLE.get(sample.pressure or "", "label")
    return [
        line(
            *_named("swap", fmt.gigabytes(sample.swap_used_bytes)),
            (pad(_swap_rate(sample), 12), "label"),
            (sparkline(swap, float(total) if total else None), "train"),
        ),
        line(
            (pad("pressure", NAME_WIDTH), "label"),
            (pad(sample.pressure or fmt.NOT_AVAILABLE, VALUE_WIDTH), role),
            (pad(_pressure_detail(sample), 14), "label"),
            (sparkline(pressure, 1.0), role),
        ),
    ]


def more_lines(view: RunView, width: int) -> list[Line]:
    """RAM, the process and what the forecast is made of."""
    sample = view.sample or MemorySample()
    used, total = sample.ram_used_bytes, sample.ram_total_bytes
    share = used / total if used is not None and total else None
    bar_width = max(4, width - NAME_WIDTH - VALUE_WIDTH - 2 - 13)
    lines = [
        line(
            *_named("ram used", fmt.gigabytes(used)),
            *bar(share, bar_width, "train"),
            (f" of {fmt.gigabytes(total)}", "label"),
        ),
        line(
            *_named("process", fmt.gigabytes(sample.footprint_bytes)),
            ("footprint of the trainer", "label"),
        ),
    ]
    if sample.wired_bytes is not None:
        compressed = fmt.gigabytes(sample.compressed_bytes)
        lines.append(
            line(
                *_named("wired", fmt.gigabytes(sample.wired_bytes)),
                (f"compressed {compressed}", "label"),
            )
        )
    return [*lines, *part_lines(view, width)]


def part_lines(view: RunView, width: int) -> list[Line]:
    """The forecast's parts, the largest first, each on the scale of the forecast."""
    forecast = view.forecast
    if not forecast.parts or not forecast.peak_bytes:
        return []
    method = f"forecast by part ({fmt.plain(forecast.method)})"
    lines = [(), line((method, "label"))]
    for name, size in sorted(forecast.parts, key=lambda part: -part[1]):
        shown = pad(f"  {fmt.plain(name.replace('_', ' '))}", 24) + f"{fmt.gigabytes(size):>9}  "
        room = max(4, width - len(shown))
        lines.append(line((shown, "label"), *bar(size / forecast.peak_bytes, room, "label")))
    return lines


def pressure_level(sample: MemorySample) -> float | None:
    """0 to 1: the worse of the kernel's word and the share of time lost waiting."""
    if sample.pressure is None and sample.pressure_some_percent is None:
        return None
    word = PRESSURE_LEVEL.get(sample.pressure or "", 0.0)
    return max(word, (sample.pressure_some_percent or 0.0) / 100)


def _named(name: str, value: str) -> Line:
    return line((pad(name, NAME_WIDTH), "label"), f"{value:>{VALUE_WIDTH}}", "  ")


def _swap_rate(sample: MemorySample) -> str:
    incoming, outgoing = sample.swap_in_bytes_per_second, sample.swap_out_bytes_per_second
    if incoming is None and outgoing is None:
        return "rate n/a"
    return f"± {fmt.rate((incoming or 0.0) + (outgoing or 0.0))}"


def _pressure_detail(sample: MemorySample) -> str:
    if sample.pressure_some_percent is not None:
        return f"  {sample.pressure_some_percent:.1f}% stall"
    if sample.free_percent is not None:
        return f"  {sample.free_percent}% free"
    return ""
