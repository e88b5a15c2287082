"""The envelope of a curve, and its dots."""

from __future__ import annotations

import math

from cockpit.ui.axes import Axis
from cockpit.ui.braille import Envelope, draw


def test_a_column_keeps_the_lowest_and_the_highest_of_its_points() -> None:
    envelope = Envelope(end=100, dots=3)
    envelope.follow([(1, 5.0), (2, 1.0), (3, 3.0), (100, 2.0)])
    assert envelope.columns() == [(0, 1.0, 5.0), (2, 2.0, 2.0)]


def test_points_are_taken_once() -> None:
    class Counted(list[tuple[int, float]]):
        taken = 0

        def __getitem__(self, key: object) -> object:  # type: ignore[override]
            found = super().__getitem__(key)  # type: ignore[index]
            if isinstance(key, slice):
                Counted.taken += len(found)  # type: ignore[arg-type]
            return found

    points = Counted([(1, 1.0), (2, 2.0)])
    envelope = Envelope(10, 20)
    envelope.follow(points)
    points.append((3, 3.0))
    envelope.follow(points)
    assert Counted.taken == 3


def test_a_rewritten_past_starts_over() -> None:
    envelope = Envelope(10, 20)
    envelope.follow([(1, 9.0), (2, 9.0), (3, 9.0)])
    envelope.follow([(1, 1.0), (2, 1.0)])
    assert envelope.extent() == (1.0, 1.0)


def test_what_is_not_a_number_is_left_out() -> None:
    envelope = Envelope(10, 20)
    envelope.follow([(1, math.nan), (2, math.inf), (3, 2.0)])
    assert envelope.extent() == (2.0, 2.0)


def test_a_falling_line_runs_from_corner_to_corner_without_gaps() -> None:
    rows = draw([(0, 1.0, 1.0), (7, 0.0, 0.0)], Axis(0, 1, 1), width=4, rows=2)
    assert rows == ["⠙⢦⡀ ", "  ⠙⢦"]


def test_a_million_points_are_two_values_a_column() -> None:
    envelope = Envelope(10**6, 200)
    envelope.follow([(i, 1.0 + i % 7) for i in range(1, 10**6)])
    assert len(envelope.columns()) == 200


def test_an_envelope_may_start_late() -> None:
    envelope = Envelope(200, 11, start=100)
    envelope.follow([(99, 9.0), (100, 1.0), (150, 2.0), (200, 3.0), (201, 9.0)])
    assert envelope.columns() == [(0, 1.0, 1.0), (5, 2.0, 2.0), (10, 3.0, 3.0)]


def test_the_positive_extent_leaves_out_what_has_no_logarithm() -> None:
    envelope = Envelope(10, 20)
    envelope.follow([(1, 0.0), (2, 0.5), (3, 4.0)])
    assert envelope.positive_extent() == (0.5, 4.0)
    assert Envelope(10, 20).positive_extent() is None


def test_a_gap_that_is_too_wide_is_not_bridged() -> None:
    columns = [(0, 0.5, 0.5), (1, 0.5, 0.5), (6, 0.5, 0.5), (7, 0.5, 0.5)]
    (joined,) = draw(columns, Axis(0, 1, 1), width=4, rows=1)
    (apart,) = draw(columns, Axis(0, 1, 1), width=4, rows=1, widest_gap=2)
    assert " " not in joined
    assert apart[1:3] == "  "
