"""The plot of the losses as text: its marks, its axis, its cursor, its strips."""

from __future__ import annotations

import math

from cockpit.core import events as ev
from cockpit.core.run_state import RunState, apply
from cockpit.ui.axes import Axis
from cockpit.ui.braille import Envelope
from cockpit.ui.loss_plot import Marks, marks_of, plot_lines
from cockpit.ui.plot_frame import Grid, x_axis
from cockpit.ui.reading import read, stepped
from cockpit.ui.spans import text_of
from cockpit.ui.strips import brief, cell_tops, strip
from tests.ui.conftest import updated


def drawn(marks: Marks, cursor: int | None = None) -> list[str]:
    """A flat curve at 0 over updates 0 to 100, in 21 columns and 3 rows."""
    envelope = Envelope(100, 42)
    envelope.follow([(update, 0.0) for update in range(101)])
    lines = plot_lines(envelope, marks, Axis(0.0, 2.0, 1.0), Grid(21, 3), cursor)
    return [text_of(line)[10:] for line in lines]


def test_marks_stand_at_their_update_and_their_loss() -> None:
    marks = Marks(((0, 2.0), (50, 1.0), (100, 2.0)), best=(50, 1.0))
    assert drawn(marks)[:2] == ["◆                   ◆", "          ★          "]


def test_checkpoints_are_ticks_on_the_axis_upwards() -> None:
    axis = drawn(Marks(checkpoints=(20, 50)))[3]
    assert axis == "┬───┴─────┼─────────┬"


def test_a_takeover_is_a_line_with_the_attempt_and_hides_no_curve() -> None:
    rows = drawn(Marks(takeovers=((50, 2),)))
    assert [row[10] for row in rows[:2]] == ["2", "┊"]
    assert rows[2][10] not in " ┊"


def test_a_cursor_is_a_line_with_its_foot_on_the_axis() -> None:
    rows = drawn(Marks(), cursor=50)
    assert [row[10] for row in rows[:2]] == ["│", "│"] and rows[3][10] == "▲"


def test_an_axis_may_start_late() -> None:
    rule, labels = (text_of(line) for line in x_axis(600, 21, start=500))
    assert rule.count("┬") == 3
    assert labels.split() == ["update", "500", "550", "600"]


def test_marks_outside_of_the_window_are_left_out() -> None:
    state = RunState()
    for update, loss in ((10, 1.0), (60, 2.0), (70, math.nan)):
        apply(state, ev.Validated(update=update, loss=loss, seconds=1, tokens=1))
        apply(state, ev.Checkpointed(update=update, path="x", seconds=1, size_bytes=1))
    marks = marks_of(state, 50, 100)
    assert marks.validations == ((60, 2.0),) and marks.checkpoints == (60, 70)
    assert marks.best is None  # it is at 10
    assert marks_of(state, 0, 100).best == (10, 1.0)


def test_a_reading_is_of_the_nearest_loss_and_the_nearest_validation() -> None:
    state = RunState()
    for update in (1, 2, 3, 10):
        apply(state, updated(update, update / 10, learning_rate=update * 1e-5))
    for update in (0, 9):
        apply(state, ev.Validated(update=update, loss=7.0 + update, seconds=1, tokens=1))
    found = read(state, 8)
    assert found is not None
    assert (found.update, found.loss, found.learning_rate) == (10, 1.0, 10 * 1e-5)
    assert found.validation is not None and found.validation.update == 9
    assert read(RunState(), 8) is None


def test_a_step_goes_to_another_point_however_sparse_they_are() -> None:
    points = [(1, 0.0), (2, 0.0), (50, 0.0), (100, 0.0)]
    assert [stepped(points, 2, step) for step in (1, -1, 40)] == [50, 1, 50]
    assert stepped(points, 100, 5) == 100 and stepped(points, 1, -5) == 1


def test_a_strip_holds_a_value_until_the_next_and_ends_with_the_newest() -> None:
    envelope = Envelope(100, 20)
    envelope.follow([(20, 1.0), (70, 4.0)])
    tops = cell_tops(envelope, 10)
    assert tops == [None, None, 1.0, 1.0, 1.0, 1.0, 4.0, None, None, None]
    assert text_of(strip("lr", 1.2e-4, envelope, 10)) == "lr 1.2e-4│  ▃▃▃▃█"


def test_a_strip_without_values_says_so() -> None:
    assert text_of(strip("grad", None, Envelope(100, 20), 10)).rstrip() == "grad  n/a│"


def test_a_value_is_as_exact_as_there_is_room() -> None:
    assert [brief(v, 6) for v in (2.06e-5, 0.0001, 0.0, 12.34)] == ["2.1e-5", "1e-4", "0", "12.3"]
    assert [brief(v, 4) for v in (0.4801, 1.234, 123.4, 1234.0, math.nan)] == [
        "0.48", "1.23", "123", "1e3", "nan",
    ]  # fmt: skip
