"""Bars and sparklines say what they mean without colour."""

from __future__ import annotations

from cockpit.ui.bars import bar, recent, sparkline
from cockpit.ui.spans import text_of


def test_a_bar_is_filled_to_half_a_cell() -> None:
    assert text_of(bar(0.5, 4, "train")) == "━━──"
    assert text_of(bar(0.625, 4, "train")) == "━━╸─"
    assert text_of(bar(7.0, 3, "train")) == "━━━"


def test_a_bar_marks_its_limit() -> None:
    assert text_of(bar(0.25, 8, "train", limit=0.75)) == "━━───│──"
    assert text_of(bar(1.0, 4, "train", limit=0.5)) == "━│━━"


def test_an_unknown_share_is_dots_and_not_an_empty_bar() -> None:
    assert text_of(bar(None, 4, "train")) == "····"
    assert text_of(bar(0.0, 4, "train")) == "────"


def test_a_sparkline_tells_zero_from_unknown() -> None:
    assert sparkline([None, 0.0, 0.5, 1.0]) == "·▁▅█"
    assert sparkline([0.0, 0.0]) == "▁▁"


def test_recent_keeps_the_worst_of_each_span() -> None:
    samples = [(10.0, 1.0), (11.0, 5.0), (15.0, 2.0)]
    assert recent(samples, 3, 5) == [None, 5.0, 2.0]


def test_a_value_holds_until_the_next_sample_but_not_for_ever() -> None:
    assert recent([(0.0, 3.0), (20.0, 4.0)], 5, 5) == [3.0, 3.0, 3.0, 3.0, 4.0]
    assert recent([(0.0, 3.0), (100.0, 4.0)], 3, 5) == [None, None, 4.0]


def test_no_samples_are_unknown() -> None:
    assert recent([], 2, 5) == [None, None]
