"""What a step would take at one length, from its courses at three shorter ones.

Which moment of a step is its peak depends on the length: what all tokens keep grows in proportion,
what attention and the gradients of slices in a loop take grows with the square. So the courses
are cut into moments that all three lengths have, each is carried on by itself, and the highest
at the length asked for counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from cockpit.memory.graph import Op

# What an operation is, whatever the length; and how often it was there before.
Landmark = tuple[object, ...]
# One length's operations in order, each with the level that memory reaches while it runs.
Course = list[tuple[Landmark, int]]
Span = tuple[int, int]
# Of one moment at each of three lengths.
Levels = tuple[int, int, int]

# A loop is told apart in so many parts.
_PARTS = 16
# Stretches whose operations do not grow evenly with the length are not the same ones.
_UNEVEN = 0.25
_FEW = 8
# Of the level at the longest.
_NOISE = 0.05


def course(levels: Sequence[tuple[Op, int]]) -> Course:
    """``levels`` as ``Evaluation.course`` gives them, without the graph."""
    return [
        ((op.name, op.fused, len(op.inputs), *(len(out.shape) for out in op.outputs)), level)
        for op, level in levels
    ]


def peak(courses: Iterable[Course]) -> int:
    """The highest level in any of them, in bytes."""
    return max(level for course in courses for _, level in course)


def moments(courses: Sequence[Course]) -> list[Levels]:
    """What the courses at three lengths have in common: the highest levels in each moment."""
    return [levels for spans in _stretches(courses) for levels in _parts(courses, spans)]


def highest(moments: Iterable[Levels], lengths: Sequence[int], to: int) -> int:
    """The highest level at the length ``to``, in bytes, from the moments at three others."""
    found = (_carried_on(levels, lengths, to) for levels in moments)
    return round(max(level for level in found if level is not None))


def _carried_on(levels: Levels, lengths: Sequence[int], to: int) -> float | None:
    """The level at ``to`` on the parabola through three; None if they are not of one moment.

    Nothing in a moment gets less as the tokens get more, neither what grows in proportion nor
    what grows with the square.
    """
    (low, middle, high), (first, second, third) = lengths, levels
    slope = (second - first) / (middle - low)
    square = ((third - second) / (high - middle) - slope) / (high - low)
    proportional = slope - square * (low + middle)
    noise = _NOISE * third
    if proportional * high < -noise or square * high**2 < -noise:
        return None
    if square < 0:
        return first + (third - first) / (high - low) * (to - low)
    return first + slope * (to - low) + square * (to - low) * (to - middle)


def _parts(courses: Sequence[Course], spans: Sequence[Span]) -> Iterator[Levels]:
    parts = min(_PARTS, *(end - start for start, end in spans))
    for part in range(parts):
        first, second, third = (
            peak([course[_cut(span, part, parts) : _cut(span, part + 1, parts)]])
            for course, span in zip(courses, spans, strict=True)
        )
        yield first, second, third


def _cut(span: Span, part: int, parts: int) -> int:
    """Where a part of a stretch begins."""
    start, end = span
    return start + (end - start) * part // parts


def _stretches(courses: Sequence[Course]) -> Iterator[list[Span]]:
    """From one operation outside of all loops to the next, in every course."""
    places = _landmarks(courses)
    before = [0] * len(courses)
    for landmark in sorted(places[-1], key=places[-1].__getitem__):
        here = [place[landmark] for place in places]
        sizes = [end - start for start, end in zip(before, here, strict=True)]
        if min(sizes) > 0 and _grows_evenly(sizes):
            yield list(zip(before, here, strict=True))
            before = here
    yield [(start, len(course)) for start, course in zip(before, courses, strict=True)]


def _grows_evenly(sizes: Sequence[int]) -> bool:
    """Of a stretch at three lengths that are equally far apart."""
    first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
    return max(sizes) <= _FEW or abs(first - second) <= _UNEVEN * max(abs(first), abs(second))


def _landmarks(courses: Sequence[Course]) -> list[dict[tuple[Landmark, int], int]]:
    """Where operations are that every length has as often: those are in no loop over tokens."""
    counts = [Counter(landmark for landmark, _ in course) for course in courses]
    alike = {name for name, times in counts[0].items() if all(c[name] == times for c in counts)}
    found = []
    for course in courses:
        seen: Counter[Landmark] = Counter()
        places = {}
        for place, (landmark, _) in enumerate(course):
            if landmark in alike:
                places[landmark, seen[landmark]] = place
                seen[landmark] += 1
        found.append(places)
    return found
