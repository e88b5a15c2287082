"""What a step would take at a length that is too long to trace, from three that are not."""

from __future__ import annotations

import pytest

from cockpit.memory import moments
from cockpit.memory.graph import Op, Value
from cockpit.memory.moments import Course, course, peak

LENGTHS = (64, 128, 192)
LONG = 2048
WEIGHTS = 1000


def step(tokens: int) -> Course:
    """Its first loop keeps 100 bytes a token, its second the square of the tokens."""
    found: list[tuple[moments.Landmark, int]] = [(("Gather",), WEIGHTS)]
    found += [(("Multiply",), WEIGHTS + 100 * (token + 1)) for token in range(tokens)]
    found += [(("Softmax",), WEIGHTS + 100 * tokens)]
    found += [(("Multiply",), WEIGHTS + tokens * (token + 1) // 8) for token in range(tokens)]
    return [*found, (("Sum",), WEIGHTS)]


def highest(courses: list[Course], to: int) -> int:
    return moments.highest(moments.moments(courses), LENGTHS, to)


def test_another_moment_may_be_the_peak_of_a_longer_step() -> None:
    courses = [step(tokens) for tokens in LENGTHS]
    assert [peak([found]) for found in courses] == [WEIGHTS + 100 * t for t in LENGTHS]
    assert highest(courses, 512) == pytest.approx(peak([step(512)]), rel=0.01)
    assert highest(courses, LONG) == pytest.approx(WEIGHTS + LONG**2 / 8, rel=0.01)


def test_what_no_length_changes_is_carried_on_as_it_is() -> None:
    same = [[(("Matmul",), 7_000), (("Add",), 5_000)] for _ in LENGTHS]
    assert highest(same, LONG) == 7_000


def test_stretches_that_are_not_the_same_ones_do_not_blow_up() -> None:
    """A buffer that falls on this side of a landmark at one length and on that at another."""
    courses = [step(tokens) for tokens in LENGTHS]
    courses[2].insert(0, (("Concatenate",), 90_000))
    assert highest(courses, LONG) == pytest.approx(WEIGHTS + LONG**2 / 8, rel=0.02)


def test_a_course_knows_operations_by_what_they_are_at_any_length() -> None:
    def scaled(tokens: int) -> Op:
        value, out = Value("x", (1, tokens), 4), Value("y", (1, tokens), 4)
        return Op("Multiply", [value], [out])

    assert course([(scaled(8), 64)]) == course([(scaled(8), 64)])
    assert course([(scaled(8), 64)])[0][0] == course([(scaled(16), 64)])[0][0]
