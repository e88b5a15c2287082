"""One timeline of memory: what the trainer takes, what it may take, what the machine says."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.ui.axes import Axis, follow
from cockpit.ui.memory_plot import (
    Level,
    Sample,
    axis_of,
    levels_of,
    on_scale,
    plot_lines,
    time_axis,
    time_strip,
)
from cockpit.ui.plot_frame import LABEL_WIDTH, Grid
from cockpit.ui.spans import Line, heading, line
from cockpit.ui.time_window import TimeWindow, window_for
from cockpit.ui.view import RunView
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.memory import PRESSURE_ROLE, pressure_level


class MemoryTimeline(Lines):
    """The last minutes. Its axes move in strides; between two, only new cells are sent."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: RunView | None = None
        self._axis: Axis | None = None
        self._rows = 0

    def update_view(self, view: RunView) -> None:
        self._view = view
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        columns, rows = width - LABEL_WIDTH - 2, height - 5
        if self._view is None or columns < 20 or rows < 2:
            return ()
        samples = list(self._view.state.memory)
        live = max((s.footprint_bytes or 0 for _, s in samples), default=0)
        forecast = self._view.forecast
        known = levels_of(forecast.peak_bytes, self._view.state.peak_bytes, forecast.budget_bytes)
        levels = on_scale(known, live)
        head = self._head(known, levels, width)
        if not samples or not (levels or live):
            return (head, (), line(("   No reading of memory yet.", "label")))
        shown = window_for(samples[0][0], samples[-1][0])
        if rows != self._rows:
            self._axis, self._rows = None, rows  # its ticks are as many as there was room for
        wanted = axis_of(levels, live, rows)
        self._axis = follow(self._axis, 0.0, wanted.high * 0.999, about=max(2, rows // 3))
        return (
            head,
            *plot_lines(samples, levels, self._axis, Grid(columns, rows), shown),
            *self._strips(samples, shown, columns),
            *time_axis(shown, columns),
        )

    def _head(self, known: Sequence[Level], levels: Sequence[Level], width: int) -> Line:
        assert self._view is not None
        sample = self._view.sample
        live = sample.footprint_bytes if sample and self._view.state.trains else None
        note = line(("⠤⠒ ", "train"), "footprint ", (fmt.gigabytes(live), "strong"))
        for name, size, _, role in known:
            if (name, size) not in {(level[0], level[1]) for level in levels}:
                note = (*note, (f"   {name} {fmt.gigabytes(size)}, above", role))
        return heading(line(("Memory over time", "strong"), (", GB", "label")), note, width)

    def _strips(self, samples: Sequence[Sample], shown: TimeWindow, columns: int) -> list[Line]:
        newest = samples[-1][1]
        total = newest.swap_total_bytes
        swap = ((t, None if s.swap_used_bytes is None else float(s.swap_used_bytes))
                for t, s in samples)  # fmt: skip
        pressure = ((t, pressure_level(s)) for t, s in samples)
        role = PRESSURE_ROLE.get(newest.pressure or "", "label")
        return [
            time_strip("swap", swap, shown, columns, float(total) if total else None, "train"),
            time_strip("pressure", pressure, shown, columns, 1.0, role),
        ]
