"""Axes: round ticks, labels without noise, and no movement without need."""

from __future__ import annotations

import pytest

from cockpit.ui.axes import (
    Axis,
    LogAxis,
    axis_for,
    follow,
    follow_log,
    log_axis_for,
    nice_step,
    reach,
)


@pytest.mark.parametrize(
    ("span", "about", "step"), [(4.2, 4, 2), (1.0, 4, 0.5), (0.07, 3, 0.05), (9000, 9, 1000)]
)
def test_a_step_is_one_two_or_five_times_a_power_of_ten(
    span: float, about: int, step: float
) -> None:
    assert nice_step(span, about) == pytest.approx(step)


@pytest.mark.parametrize(("low", "high"), [(0.31, 4.27), (2.0, 2.0), (1e-7, 3e-7), (0, 0)])
def test_an_axis_holds_its_data(low: float, high: float) -> None:
    axis = axis_for(low, high, 4)
    assert axis.low <= low <= high <= axis.high
    assert all(axis.low - 1e-9 <= tick <= axis.high + 1e-9 for tick in axis.ticks)
    assert axis.ticks


def test_labels_have_the_decimals_of_the_step() -> None:
    assert [Axis(0, 2, 0.5).label(t) for t in (0, 0.5, 2)] == ["0.0", "0.5", "2.0"]
    assert Axis(0, 10, 5).label(5) == "5"
    assert Axis(2.3, 2.35, 0.02).label(2.32) == "2.32"


def test_an_axis_stays_while_the_data_fill_a_fair_part_of_it() -> None:
    axis = axis_for(0, 4, 4)
    assert follow(axis, 0.4, 3.1, 4) is axis


def test_an_axis_grows_when_the_data_leave_it() -> None:
    axis = axis_for(0, 4, 4)
    assert follow(axis, 0, 9, 4).high >= 9


def test_an_axis_shrinks_when_the_data_fill_little_of_it() -> None:
    assert follow(axis_for(0, 100, 4), 1, 2, 4).high < 10


def test_the_reach_grows_in_strides_and_ends_with_the_run() -> None:
    assert [reach(n, 1000) for n in (1, 10, 11, 60, 300, 999)] == [10, 10, 20, 100, 500, 1000]
    assert reach(30, 30) == 30
    assert reach(30, None) == 50


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.31, 4.27), (2.0, 2.0), (2.1, 2.3), (1e-7, 3e4), (1.0, 10.0), (0.002, 0.009)],
)
def test_a_logarithmic_axis_holds_its_data(low: float, high: float) -> None:
    axis = log_axis_for(low, high, 4)
    assert 0 < axis.low <= low * (1 + 1e-9) and high <= axis.high * (1 + 1e-9)
    assert 2 <= len(axis.ticks) <= 9
    assert all(axis.low * 0.999 <= tick <= axis.high * 1.001 for tick in axis.ticks)


def test_on_a_logarithmic_axis_equal_factors_are_equally_long() -> None:
    axis = log_axis_for(0.1, 10.0, 4)
    assert [axis.share(value) for value in (0.1, 1.0, 10.0)] == pytest.approx([0.0, 0.5, 1.0])
    assert axis.share(0.0) == 0.0 and axis.share(-1.0) == 0.0


def test_the_ticks_of_a_logarithmic_axis_are_one_two_and_five_or_powers_of_ten() -> None:
    assert log_axis_for(0.3, 4.0, 4).ticks == [0.2, 0.5, 1.0, 2.0, 5.0]
    axis = log_axis_for(1e-6, 1e3, 4)
    assert [axis.label(tick) for tick in axis.ticks] == ["1e-06", "0.0001", "0.01", "1", "100"]


def test_a_logarithmic_axis_stays_while_the_data_fill_a_fair_part_of_it() -> None:
    axis = log_axis_for(0.1, 10.0, 4)
    assert follow_log(axis, 0.4, 3.1, 4) is axis
    assert follow_log(axis, 0.04, 3.1, 4).low <= 0.04
    assert follow_log(axis, 1.0, 1.1, 4).high < 10


def test_an_axis_of_the_other_kind_is_not_kept() -> None:
    assert isinstance(follow_log(axis_for(0, 4, 4), 0.4, 3.1, 4), LogAxis)
    assert isinstance(follow(log_axis_for(0.1, 10, 4), 0.4, 3.1, 4), Axis)
