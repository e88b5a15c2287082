"""The exponential average of a curve."""

from __future__ import annotations

import math

import pytest

from cockpit.ui.smoothing import Smoothed, updates_for


def test_a_constant_stays_what_it_is_from_the_first_point_on() -> None:
    average = Smoothed(20)
    average.follow([(update, 3.0) for update in range(1, 50)])
    assert [value for _, value in average.points] == pytest.approx([3.0] * 49)


def test_after_so_many_updates_a_step_is_followed_to_one_less_1_e() -> None:
    average = Smoothed(20)
    average.follow([(u, 0.0) for u in range(-1000, 1)] + [(u, 1.0) for u in range(1, 21)])
    assert average.points[-1][1] == pytest.approx(1 - 1 / math.e, abs=1e-6)


def test_points_that_are_missing_count_as_time() -> None:
    dense, sparse = Smoothed(10), Smoothed(10)
    dense.follow([(u, 0.0) for u in range(100)] + [(u, 1.0) for u in range(100, 110)])
    sparse.follow([(u, 0.0) for u in range(100)] + [(109, 1.0)])
    assert sparse.points[-1][1] == pytest.approx(dense.points[-1][1])


def test_points_may_arrive_one_by_one() -> None:
    points = [(update, float(update % 7)) for update in range(1, 60)]
    whole, steps = Smoothed(9), Smoothed(9)
    whole.follow(points)
    for length in range(1, len(points) + 1):
        steps.follow(points[:length])
    assert steps.points == whole.points


def test_a_rewritten_past_starts_over() -> None:
    average, fresh = Smoothed(10), Smoothed(10)
    average.follow([(1, 9.0), (2, 9.0), (3, 9.0)])
    average.follow([(1, 9.0), (2, 1.0)])
    fresh.follow([(1, 9.0), (2, 1.0)])
    assert average.points == fresh.points


def test_what_is_not_a_number_is_left_out() -> None:
    average = Smoothed(10)
    average.follow([(1, 2.0), (2, math.nan), (3, math.inf), (4, 2.0)])
    assert average.points == [(1, pytest.approx(2.0)), (4, pytest.approx(2.0))]


def test_the_reach_of_the_average_grows_with_what_is_shown() -> None:
    assert [updates_for(shown) for shown in (1, 200, 1000, 40_000)] == [5, 5, 20, 1000]
