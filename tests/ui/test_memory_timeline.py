"""Memory over time: one axis of minutes, levels named where they stand, gaps left open."""

from __future__ import annotations

from cockpit.core.run_state import RunState
from cockpit.core.samples import MemorySample
from cockpit.ui.axes import Axis
from cockpit.ui.memory_plot import levels_of, on_scale, plot_lines, time_axis, time_strip
from cockpit.ui.plot_frame import Grid
from cockpit.ui.spans import text_of
from cockpit.ui.time_window import TimeWindow, window_for
from cockpit.ui.view import Forecast, RunView
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.memory_timeline import MemoryTimeline

GB = 1_000_000_000
HOUR = TimeWindow(0.0, 3600.0)
BLANK_BRAILLE = "\u2800"


def footprints(*points: tuple[float, int]) -> list[tuple[float, MemorySample]]:
    return [(t, MemorySample(footprint_bytes=size)) for t, size in points]


def test_a_window_holds_the_first_and_the_newest_reading_and_moves_in_strides() -> None:
    shown = {window_for(newest - 400, newest) for newest in range(12_000, 12_100)}
    assert len(shown) == 1
    (window,) = shown
    assert window.end - window.start == 600
    assert window.start <= 12_000 - 400 and window.end > 12_099
    moved = window_for(12_130 - 400, 12_130)
    assert moved.end - window.end == 120


def test_a_young_run_has_a_short_window_and_an_old_one_a_long() -> None:
    assert window_for(1000, 1005).end - window_for(1000, 1005).start == 120
    long = window_for(0, 200_000)
    assert long.end > 200_000  # it ends with the newest, the oldest gives way


def test_each_level_is_a_line_with_its_name_and_size() -> None:
    levels = levels_of(forecast=2 * GB, peak=1 * GB, budget=4 * GB)
    rows = [
        text_of(line)
        for line in plot_lines([], levels, Axis(0.0, 4.0, 1.0), Grid(40, 9), HOUR)
    ]  # fmt: skip
    assert "budget 4.00 GB" in rows[0] and "━" in rows[0]
    assert "forecast 2.00 GB" in rows[4] and "┄" in rows[4]
    assert "peak 1.00 GB" in rows[6] and "╌" in rows[6]


def test_levels_in_one_row_are_named_together_and_unknown_ones_not_at_all() -> None:
    levels = levels_of(forecast=1 * GB, peak=1 * GB + 1, budget=None)
    rows = [
        text_of(line)
        for line in plot_lines([], levels, Axis(0.0, 4.0, 1.0), Grid(60, 5), HOUR)
    ]  # fmt: skip
    named = [row for row in rows if "GB" in row]
    assert len(named) == 1 and "peak 1.00 GB, forecast 1.00 GB" in named[0]


def test_a_budget_far_above_everything_is_off_the_scale() -> None:
    levels = levels_of(forecast=GB // 10, peak=None, budget=100 * GB)
    assert [name for name, *_ in on_scale(levels, live=GB)] == ["forecast"]
    assert [name for name, *_ in on_scale(levels, live=50 * GB)] == ["budget", "forecast"]


def test_the_footprint_is_a_curve_and_an_absence_a_gap() -> None:
    samples = footprints((0, GB), (20, GB), (40, GB), (3000, GB), (3010, GB))
    row = text_of(plot_lines(samples, [], Axis(0.0, 2.0, 1.0), Grid(60, 1), HOUR)[0])[10:]
    assert row[0] != " " and row[49] != " "
    assert row[2:48].strip() == ""


def test_a_strip_of_time_keeps_the_worst_holds_for_a_while_and_tells_unknown() -> None:
    minute = TimeWindow(0.0, 100.0)
    values = [(5.0, 1.0), (7.0, 0.5), (25.0, 0.0), (75.0, 0.5), (85.0, None)]
    text = text_of(time_strip("swap", values, minute, 10, 1.0, "train"))
    assert text[10:] == "█▅▁····▅·"


def test_the_axis_shows_the_clock_of_each_stride() -> None:
    shown = TimeWindow(6000.0, 6600.0)
    clocks = [text for _, text in shown.labels()]
    assert len(clocks) == 6
    labels = text_of(time_axis(shown, 60)[1]).split()
    assert labels == ["time", *clocks]


class OfSize(MemoryTimeline):
    """Built without an app."""

    def redraw(self) -> None:
        pass


def view(count: int, newest: float, footprint: int | None = GB) -> RunView:
    state = RunState(status="running", peak_bytes=GB)
    for index in range(count):
        sample = MemorySample(
            footprint_bytes=footprint, swap_used_bytes=GB, swap_total_bytes=4 * GB,
            pressure="normal",
        )  # fmt: skip
        state.memory.append((newest - count + 1 + index, sample))
    return RunView("run", state, None, Forecast(peak_bytes=2 * GB, budget_bytes=4 * GB))


def lines_of(widget: OfSize, shown: RunView) -> list[str]:
    widget.update_view(shown)
    return [text_of(line) for line in widget.build(80, 14)]


def test_a_new_reading_changes_new_cells_and_no_other() -> None:
    widget = OfSize()
    before = lines_of(widget, view(30, 12_030.0))
    after = lines_of(widget, view(31, 12_031.0))
    assert len(before) == len(after) == 14
    changed = {
        column
        for one, other in zip(before, after, strict=True)
        for column, (old, new) in enumerate(zip(one.ljust(80), other.ljust(80), strict=True))
        if old != new
    }
    assert len(changed) <= 2


def test_what_is_not_told_is_not_drawn() -> None:
    widget = OfSize()
    assert "No reading of memory yet." in lines_of(widget, RunView("run", RunState()))[2]
    lines = lines_of(widget, view(30, 12_030.0, footprint=None))
    assert "footprint n/a" in lines[0]
    assert not any("\u2801" <= character <= "\u28ff" for character in "".join(lines[1:]))


def test_it_is_one_of_the_widgets_that_repaint_only_what_changed() -> None:
    assert issubclass(MemoryTimeline, Lines)
