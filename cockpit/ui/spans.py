"""Lines of styled text as plain values: what widgets draw and tests read.

A span is a text and a role ("label", "bad" and so on); the stylesheet decides what a role
looks like, so nothing here knows colours. Texts must already be plain (see core.format.plain).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Literal

from rich.cells import cell_len, set_cell_size

Role = Literal[
    "text", "label", "strong", "accent", "good", "warn", "bad", "rule", "train", "valid", "rest",
    "cursor", "chosen",
]  # fmt: skip
ROLES: tuple[Role, ...] = (
    "text", "label", "strong", "accent", "good", "warn", "bad", "rule", "train", "valid", "rest",
    "cursor", "chosen",
)  # fmt: skip

Span = tuple[str, Role]
Line = tuple[Span, ...]
EMPTY: Line = ()


def line(*parts: Span | str) -> Line:
    """A Line of spans; a bare string has the role "text"."""
    return tuple((part, "text") if isinstance(part, str) else part for part in parts if part)


def text_of(spans: Line) -> str:
    return "".join(text for text, _ in spans)


def width_of(spans: Line) -> int:
    """Width in cells."""
    return sum(cell_len(text) for text, _ in spans)


def fit(spans: Line, width: int) -> Line:
    """``spans`` cut or padded to exactly ``width`` cells; what is cut ends in an ellipsis."""
    if (used := width_of(spans)) <= width:
        return (*spans, (" " * (width - used), "text")) if used < width else spans
    if width <= 0:
        return EMPTY
    kept: list[Span] = []
    left = width - 1
    for text, role in spans:
        size = cell_len(text)
        if size > left:
            kept.append((set_cell_size(text, left) + "…", role))
            break
        kept.append((text, role))
        left -= size
    return tuple(kept)


def shorten(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells, cut at its end."""
    return text_of(fit(((text, "text"),), width)).rstrip() if cell_len(text) > width else text


def shorten_path(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells, cut at its start: a path's end says most."""
    if cell_len(text) <= width:
        return text
    kept = text[max(0, len(text) - width + 1) :]
    while kept and cell_len(kept) > width - 1:
        kept = kept[1:]
    return "…" + kept if width > 0 else ""


def pad(text: str, width: int) -> str:
    """``text`` cut or padded on the right to ``width`` cells."""
    return text_of(fit(((text, "text"),), width))


def spread(left: Line, right: Line, width: int) -> Line:
    """``left`` and ``right`` at the two ends of ``width`` cells; the left one gives way."""
    room = max(0, width - width_of(right))
    return fit((*fit(left, room), *right), width)


def heading(title: Line, note: Line, width: int) -> Line:
    """A rule across ``width`` with a title at its start and a note at its end."""
    head: Line = (("── ", "rule"), *title, (" ", "text"))
    tail: Line = ((" ", "text"), *note, (" ──", "rule")) if note else ()
    room = width - width_of(head) - width_of(tail)
    if room < 1:
        return fit((*head, *tail), width)
    return (*head, ("─" * room, "rule"), *tail)


def indented(lines: Iterable[Line]) -> list[Line]:
    """Each line one cell to the right."""
    return [((" ", "text"), *spans) for spans in lines]


def wrap(items: Sequence[Line], width: int, gap: str = "  ") -> list[Line]:
    """``items`` side by side on as few lines of ``width`` cells as they need."""
    lines: list[Line] = []
    for item in items:
        joined = (*lines[-1], (gap, "text"), *item) if lines else item
        if lines and width_of(joined) <= width:
            lines[-1] = tuple(joined)
        else:
            lines.append(item)
    return lines


def changed_cells(old: Line, new: Line) -> tuple[int, int] | None:
    """The first and the last-but-one cell in which two lines of equal width differ."""
    if old == new:
        return None
    before, after = _characters(old), _characters(new)
    same_start = _same(before, after)
    same_end = _same(reversed(before[len(same_start) :]), reversed(after[len(same_start) :]))
    start = sum(cell_len(character) for character, _ in same_start)
    tail = sum(cell_len(character) for character, _ in same_end)
    return (start, width_of(new) - tail) if width_of(new) - tail > start else None


def _characters(spans: Line) -> list[Span]:
    return [(character, role) for text, role in spans for character in text]


def _same(one: Iterable[Span], other: Iterable[Span]) -> list[Span]:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return [first for first, _ in pairs]
