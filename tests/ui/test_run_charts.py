"""The Run screen's charts: each key changes what is shown, and says so."""

from __future__ import annotations

import json
import time

import pytest
from textual.pilot import Pilot

from cockpit.core import events as ev
from cockpit.core.samples import MemorySample
from cockpit.system import jsonl
from cockpit.system.run_dir import RunDir
from cockpit.ui.palette import available
from cockpit.ui.widgets.curve import Curve
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.memory_timeline import MemoryTimeline
from tests.ui.conftest import (
    add_event,
    living_run,
    opened,
    started,
    until,
    until_gone,
    until_shown,
    updated,
    write_run,
)

LARGE = (120, 40)


def long_run(updates: int = 400) -> RunDir:
    """Zigzags around 1, so that smoothing shows; the learning rate tells the update."""
    curve = [
        updated(i, 1.0 + 0.5 * (-1) ** i, learning_rate=i * 1e-6, grad_norm=0.5)
        for i in range(1, updates + 1)
    ]
    return write_run([started(updates=updates), ev.PhaseChanged(phase="training"), *curve])


def add_memory(run: RunDir, seconds: int = 30) -> None:
    now = time.time()
    for second in range(seconds):
        sample = MemorySample(
            footprint_bytes=700_000_000, swap_used_bytes=0, swap_total_bytes=1, pressure="normal"
        )
        event = ev.MemorySampled(t=now - seconds + second, sample=sample)
        jsonl.append(run.supervisor_events, event.line())


def curve_text(pilot: Pilot[None]) -> list[str]:
    lines = pilot.app.screen.query_one(Curve).lines
    return ["".join(text for text, _ in row) for row in lines]


def x_labels(pilot: Pilot[None]) -> list[str]:
    return next(row for row in curve_text(pilot) if row.startswith("  update")).split()[1:]


async def test_m_smooths_the_curve_and_says_over_how_many_updates() -> None:
    async with opened(long_run(), LARGE) as pilot:
        await until_shown(pilot, "400 of 400", "train 1.500")
        raw = curve_text(pilot)
        await pilot.press("m")
        await until_shown(pilot, "smoothed over 10", "train 1.0")
        smooth = curve_text(pilot)
        assert sum(map(_dots, smooth)) < 0.5 * sum(map(_dots, raw))
        await pilot.press("m")
        await until_gone(pilot, "smoothed")
        assert curve_text(pilot) == raw


def _dots(text: str) -> int:
    return sum(bin(ord(c) - 0x2800).count("1") for c in text if "\u2801" <= c <= "\u28ff")


async def test_y_makes_the_axis_logarithmic_and_back() -> None:
    run = write_run([started(), *(updated(i, 1000.0 / 2**i) for i in range(1, 16))])
    async with opened(run, LARGE) as pilot:
        await until_shown(pilot, "15 of 100", " 200 ┤")
        linear = curve_text(pilot)
        await pilot.press("y")
        await until_shown(pilot, "Loss log", "0.1 ┤", "100 ┤")
        await pilot.press("y")
        await until_gone(pilot, "Loss log")
        assert curve_text(pilot) == linear


async def test_a_loss_of_zero_does_not_break_a_logarithmic_axis() -> None:
    run = write_run([started(), updated(1, 2.0), updated(2, 0.0), updated(3, 0.5)])
    async with opened(run) as pilot:
        await until_shown(pilot, "3 of 100")
        await pilot.press("y")
        await until_shown(pilot, "Loss log", "2 ┤")
        add_event(run, updated(4, 0.25))
        await until_shown(pilot, "4 of 100")


async def test_all_losses_zero_are_drawn_on_a_linear_axis() -> None:
    async with opened(write_run([started(), updated(1, 0.0), updated(2, 0.0)])) as pilot:
        await until_shown(pilot, "2 of 100")
        await pilot.press("y")
        await until_shown(pilot, "Loss log", "0 ┤")


async def test_plus_and_minus_zoom_arrows_move_and_0_shows_all() -> None:
    async with opened(long_run(), LARGE) as pilot:
        await until_shown(pilot, "400 of 400")
        whole = x_labels(pilot)
        assert (whole[0], whole[-1]) == ("0", "400")
        await pilot.press("plus")
        await until_shown(pilot, "Loss zoomed")
        assert (x_labels(pilot)[0], x_labels(pilot)[-1]) == ("200", "400")
        await pilot.press("left")
        assert (x_labels(pilot)[0], x_labels(pilot)[-1]) == ("160", "340")  # 150 to 350
        await pilot.press("right", "right", "equals_sign")
        assert (x_labels(pilot)[0], x_labels(pilot)[-1]) == ("300", "400")
        await pilot.press("minus")
        assert x_labels(pilot)[0] == "200"
        await pilot.press("plus", "0")
        await until_gone(pilot, "zoomed")
        assert x_labels(pilot) == whole


async def test_a_zoom_into_a_run_that_goes_on_follows_it() -> None:
    run = write_run([started(updates=1000), *(updated(i, 1.0) for i in range(1, 201))])
    async with opened(run, LARGE) as pilot:
        await until_shown(pilot, "200 of 1,000")
        await pilot.press("plus")
        assert x_labels(pilot)[-1] == "200"
        for update in range(201, 204):
            add_event(run, updated(update, 1.0))
        await until_shown(pilot, "203 of 1,000")
        assert x_labels(pilot)[-1] == "220"  # a stride further: 125 to 225


async def test_a_cursor_reads_the_values_under_it() -> None:
    run = long_run()
    add_event(run, ev.Validated(update=390, loss=0.875, seconds=1, tokens=1))
    async with opened(run) as pilot:
        await until_shown(pilot, "400 of 400")
        await pilot.press("x")
        await until_shown(pilot, "update 400  loss 1.500", "◆ 0.875 at 390", "lr 0.0004")
        await pilot.press("left")
        await until_gone(pilot, "update 400  loss")
        text = await until_shown(pilot, "update 394  loss 1.500", "lr 0.000394", "▲")
        assert "train" not in text
        await pilot.press("right", "m")
        await until_shown(pilot, "update 400  loss 1.500 ~1.0")
        await pilot.press("x")
        await until_gone(pilot, "▲")
        await until_shown(pilot, "train")


async def test_a_cursor_takes_a_zoomed_window_with_it() -> None:
    async with opened(long_run()) as pilot:
        await until_shown(pilot, "400 of 400")
        await pilot.press("x", "plus", "plus", "plus")
        await until_shown(pilot, "zoomed", "update 400")
        for _ in range(80):
            await pilot.press("left")
        await until_shown(pilot, "zoomed", "▲")
        cursor = pilot.app.screen.query_one(Curve).cursor
        assert cursor is not None and cursor < 350


async def test_checkpoints_the_best_validation_and_a_takeover_are_marked() -> None:
    run = long_run()
    for update, loss in ((100, 3.0), (200, 0.9), (300, 1.3)):
        add_event(run, ev.Validated(update=update, loss=loss, seconds=1, tokens=1))
        add_event(run, ev.Checkpointed(update=update, path="x", seconds=1, size_bytes=1))
    recovery = ev.Recovery(
        after_attempt=1, rung="batch_size", title="Smaller", from_update=350, lost_updates=3
    )
    jsonl.append(run.supervisor_events, ev.Recovered(attempt=2, recovery=recovery).line())
    async with opened(run, (140, 40)) as pilot:
        await until_shown(
            pilot, "★ best 0.900 at 200", "┊ attempt 2", "┴ checkpoint", "◆ validation 1.300"
        )
        rows = curve_text(pilot)
        assert sum(row.count("★") for row in rows[1:]) == 1
        axis = next(row for row in rows if row.lstrip().startswith("└"))
        assert axis.count("┼") + axis.count("┴") == 3
        column = rows[1].index("2")
        assert column == 10 + round(350 / 400 * 129)
        assert "┊" in {row[column] for row in rows[2:6]}


@pytest.mark.parametrize(("size", "shown"), [((80, 24), False), (LARGE, True), ((200, 60), True)])
async def test_strips_are_there_where_there_is_room(size: tuple[int, int], shown: bool) -> None:
    async with opened(long_run(), size) as pilot:
        await until_shown(pilot, "400 of 400")
        strips = [row for row in curve_text(pilot) if row.startswith(("lr   4e-4│", "grad  0.5│"))]
        assert len(strips) == (2 if shown else 0)


async def test_M_shows_memory_in_place_of_the_curve_and_back() -> None:
    run = long_run()
    run.attempt(1).forecast_path.write_text(
        json.dumps({"peak_bytes": 1_200_000_000, "budget_bytes": 2_000_000_000})
    )
    add_memory(run)
    async with opened(run) as pilot:
        await until_shown(pilot, "400 of 400")
        timeline = pilot.app.screen.query_one(MemoryTimeline)
        assert not timeline.display
        await pilot.press("M")
        await until_shown(
            pilot, "Memory over time", "footprint 0.70 GB", "budget 2.00 GB", "forecast 1.20 GB",
            "swap │", "pressure │",
        )  # fmt: skip
        assert not pilot.app.screen.query_one(Curve).display
        names = {binding.description for binding, _ in available(pilot.app.screen)}
        assert "Memory" in names and not {"Cursor", "Smooth", "Zoom in"} & names
        await pilot.press("M")
        await until_gone(pilot, "Memory over time")
        await until_shown(pilot, "── Loss")


async def test_a_large_terminal_shows_curve_and_memory_together() -> None:
    run = long_run()
    add_memory(run)
    async with opened(run, (200, 60)) as pilot:
        await until_shown(pilot, "400 of 400", "── Loss", "Memory over time", "footprint 0.70 GB")
        for panel in pilot.app.screen.query(Lines):
            assert pilot.app.screen.region.contains_region(panel.region), panel
        await pilot.press("M")
        await until_gone(pilot, "── Loss")
        assert pilot.app.screen.query_one(MemoryTimeline).size.width > 190


async def test_every_chart_key_is_in_palette_and_help_and_the_key_bar_has_three_lines() -> None:
    run = long_run()
    async with opened(run) as pilot:
        await until_shown(pilot, "400 of 400", "M Memory", "x Cursor", "q Quit")
        await pilot.press("plus")
        await until(pilot, lambda: pilot.app.screen.query_one(Curve).zoomed)
        names = {binding.description for binding, _ in available(pilot.app.screen)}
        wanted = {
            "Memory", "Cursor", "Smooth", "Log axis", "Zoom in", "Zoom out", "Whole run", "Left",
            "Right",
        }  # fmt: skip
        assert wanted <= names
        assert pilot.app.screen.query_one(KeyBar).size.height <= 3
        await pilot.press("question_mark")
        await until(pilot, lambda: pilot.app.screen.query("#text"))
        listed = str(pilot.app.screen.query_one("#text").render())
        assert [name for name in wanted if name not in listed] == []


async def test_no_chart_key_works_before_the_first_update() -> None:
    async with opened(write_run([started()])) as pilot:
        await until_shown(pilot, "The curve starts with the first update")
        await pilot.press("x", "plus", "minus", "left", "right", "0", "m", "y")
        await until_shown(pilot, "The curve starts with the first update")
        assert "x Cursor" not in "\n".join(curve_text(pilot))


async def test_a_cursor_that_stands_still_repaints_only_what_is_new() -> None:
    run = living_run(15)
    async with opened(run, LARGE) as pilot:
        await until_shown(pilot, "15 of 100", "● running")
        await pilot.press("x")
        await until_shown(pilot, "update 15  loss")
        curve = pilot.app.screen.query_one(Curve)
        dirty: list[int] = []
        refresh = curve.refresh
        curve.refresh = lambda *regions, **kw: (  # type: ignore[method-assign]
            dirty.extend(region.area for region in regions) or refresh(*regions, **kw)
        )
        add_event(run, updated(16, 0.25))
        await until_shown(pilot, "16 of 100")
        assert dirty and sum(dirty) < 0.02 * curve.size.area


async def test_losing_and_regaining_all_room_keeps_what_was_chosen() -> None:
    async with opened(long_run(), LARGE) as pilot:
        await until_shown(pilot, "400 of 400")
        await pilot.press("m", "plus", "x")
        await pilot.resize_terminal(20, 5)
        await pilot.press("left", "M", "M")
        await pilot.resize_terminal(*LARGE)
        await until_shown(pilot, "Loss zoomed", "~1.0", "▲")
