"""A bounded curve keeps its end and its extremes, however long it grows."""

from __future__ import annotations

import math
from itertools import pairwise

from cockpit.core import series

Point = tuple[int, float]


def grown(points: list[Point]) -> list[Point]:
    """A curve that was thinned whenever it got too long."""
    curve: list[Point] = []
    for point in points:
        curve.append(point)
        if len(curve) >= series.MOST_POINTS:
            keep = series.kept(curve, lambda p: p[0], lambda p: p[1])
            curve = [curve[i] for i in keep]
    return curve


def test_a_short_curve_is_left_alone() -> None:
    points = [(n, 1.0) for n in range(series.EXACT_POINTS)]
    assert series.kept(points, lambda p: p[0], lambda p: p[1]) == list(range(len(points)))


def test_a_long_curve_is_bounded_in_order_and_even() -> None:
    points = [(n, math.sin(n)) for n in range(300_000)]
    curve = grown(points)
    assert len(curve) < series.MOST_POINTS
    assert curve == sorted(set(curve)), "in order, each once"
    assert set(curve) <= set(points), "real points, no averages"
    assert curve[-series.EXACT_POINTS :] == points[-series.EXACT_POINTS :]
    updates = [update for update, _ in curve]
    gaps = [after - before for before, after in pairwise(updates)]
    assert max(gaps) < 2 * 300_000 / (series.OLD_PIECES / 2), "as fine at its start as later"


def test_every_extreme_survives() -> None:
    points = [(n, 1.0) for n in range(100_000)]
    for update, value in ((10, -5.0), (40_000, 9.0), (40_001, -9.0), (77_777, math.nan)):
        points[update] = (update, value)
    kept = dict(grown(points))
    assert (kept[10], kept[40_000], kept[40_001]) == (-5.0, 9.0, -9.0)
    assert math.isnan(kept[77_777])


def test_updates_far_apart_are_bounded_too() -> None:
    assert len(grown([(n * 1_000_003, float(n % 7)) for n in range(50_000)])) < series.MOST_POINTS
