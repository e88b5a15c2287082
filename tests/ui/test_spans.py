"""Lines: cutting, padding, wrapping, and finding what changed."""

from __future__ import annotations

from cockpit.ui.spans import (
    changed_cells,
    fit,
    heading,
    line,
    shorten_path,
    spread,
    text_of,
    width_of,
    wrap,
)  # fmt: skip


def test_a_line_is_cut_with_an_ellipsis_or_padded() -> None:
    assert text_of(fit(line("loss ", ("1.234", "strong")), 8)) == "loss 1.…"
    assert text_of(fit(line("loss"), 8)) == "loss    "


def test_wide_characters_count_for_two_cells() -> None:
    assert width_of(fit(line("模型模型"), 5)) == 5
    assert shorten_path("/模型/模型", 6).endswith("模型")
    assert len(shorten_path("/a/very/long/path", 8)) == 8


def test_the_right_end_is_kept_and_the_left_gives_way() -> None:
    assert text_of(spread(line("a long message"), line("12s"), 10)) == "a long…12s"


def test_items_wrap_onto_lines() -> None:
    items = [line("p Pause"), line("s Stop"), line("q Quit")]
    assert [text_of(row) for row in wrap(items, 15)] == ["p Pause  s Stop", "q Quit"]


def test_only_the_cells_that_differ_changed() -> None:
    old = fit(line("loss ", ("1.234", "strong"), " tokens"), 20)
    new = fit(line("loss ", ("1.289", "strong"), " tokens"), 20)
    assert changed_cells(old, new) == (8, 10)
    assert changed_cells(old, old) is None


def test_another_role_is_a_change_too() -> None:
    assert changed_cells(line(("ok", "good")), line(("ok", "bad"))) == (0, 2)


def test_changes_after_wide_characters_are_counted_in_cells() -> None:
    assert changed_cells(line("模型 a"), line("模型 b")) == (5, 6)


def test_a_heading_fills_its_width() -> None:
    text = text_of(heading(line("Loss"), line("now"), 30))
    assert len(text) == 30 and text.startswith("── Loss ─") and text.endswith(" now ──")
