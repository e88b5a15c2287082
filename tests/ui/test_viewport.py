"""Which updates are shown: zooming, moving and following."""

from __future__ import annotations

import pytest

from cockpit.ui.viewport import LEAST_SPAN, Window, moved, with_update, zoomed_in, zoomed_out


def test_zooming_into_the_whole_run_shows_its_newest_half_and_follows_it() -> None:
    window = zoomed_in(None, None, 1000)
    assert window is not None and window.follows
    start, end = window.bounds(1000)
    assert end == 1000 and start == 500


def test_a_window_that_follows_moves_in_strides() -> None:
    window = Window(0, 100, follows=True)
    bounds = {window.bounds(newest) for newest in range(976, 1001)}
    assert bounds == {(900, 1000)}
    assert window.bounds(1001) == (925, 1025)


def test_a_zoom_with_a_cursor_keeps_the_cursor_in_view() -> None:
    for cursor in (0, 3, 250, 997, 1000):
        window = None
        for _ in range(5):
            window = zoomed_in(window, cursor, 1000)
            assert window is not None
            start, end = window.bounds(1000)
            assert start <= cursor <= end


def test_there_is_a_closest_zoom_and_a_farthest() -> None:
    window = None
    for _ in range(20):
        window = zoomed_in(window, None, 1000)
    assert window is not None and window.span >= LEAST_SPAN
    for _ in range(20):
        window = zoomed_out(window, None, 1000)
    assert window is None


def test_a_young_run_is_not_zoomed() -> None:
    assert zoomed_in(None, None, 2 * LEAST_SPAN - 1) is None


def test_a_move_to_the_left_stops_following_and_one_past_the_end_follows_again() -> None:
    window = moved(Window(0, 100, follows=True), -1, 1000)
    assert window == Window(875, 100)
    back = moved(window, 1, 1000)
    assert back == Window(900, 100)
    again = moved(back, 1, 1000)
    assert again is not None and again.follows


@pytest.mark.parametrize("strides", [-50, 50])
def test_a_move_never_leaves_the_run(strides: int) -> None:
    window = moved(Window(400, 100), strides, 1000)
    assert window is not None
    start, end = window.bounds(1000)
    assert start >= 0 and end <= 1000


def test_a_window_goes_where_the_cursor_goes() -> None:
    window = Window(400, 100)
    assert with_update(window, 450, 1000) is window
    for update in (399, 501, 0, 1000):
        shown = with_update(window, update, 1000)
        assert shown is not None
        start, end = shown.bounds(1000)
        assert start <= update <= end
    assert with_update(None, 7, 1000) is None
