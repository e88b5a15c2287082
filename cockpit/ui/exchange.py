"""A question and its two answers, laid out beside each other or one above the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len, chop_cells

from cockpit.core import format as fmt
from cockpit.results.messages import Asked, Piece, Progress, Ready, Result, Side
from cockpit.ui.spans import EMPTY, Line, fit, heading, line, shorten

SIDES: tuple[Side, ...] = ("base", "tuned")
# Two columns of a readable width.
WIDE_COLUMNS = 80
GAP = " │ "


@dataclass(slots=True)
class Exchange:
    """What was asked and as much of the answers as there is.

    ``hear`` is called by the thread that listens; what draws only reads.
    """

    prompt: str
    model: str
    status: str = "looking for the checkpoint…"
    tuned: str = "tuned"
    side: Side | None = None
    texts: dict[Side, str] = field(default_factory=dict)
    document: dict[str, Any] | None = None
    over: bool = False

    def hear(self, message: Ready | Progress | Asked | Piece | Result) -> None:
        if isinstance(message, Progress):
            self.status = message.text
        elif isinstance(message, Ready):
            self.tuned = f"tuned, update {message.update}"
        elif isinstance(message, Asked):
            self.side, self.texts[message.side] = message.side, ""
            self.status = "reading the prompt…"
        elif isinstance(message, Piece) and self.side is not None:
            self.texts[self.side] += message.text
            self.status = "answering…"
        elif isinstance(message, Result):
            self.document = message.document

    def end(self, status: str = "") -> None:
        self.over, self.status = True, status

    def note(self, side: Side) -> str:
        """How far an answer is: what is being done, or its tokens and their speed."""
        if self.document is not None:
            found = self.document[side]
            count, seconds = found["tokens"], found["seconds"]
            speed = f", {count / seconds:.1f}/s" if count and seconds else ""
            stopped = "stopped, " if self.document["stopped"] else ""
            return f"{stopped}{count:,} token{'' if count == 1 else 's'}{speed}"
        if side == self.side:
            return self.status
        return "✓" if side in self.texts else ""


@dataclass(frozen=True, slots=True)
class Layout:
    """``head`` stays, ``body`` scrolls; ``newest`` is the row of the body written last."""

    head: Sequence[Line]
    body: Sequence[Line]
    newest: int


def layout(exchange: Exchange, width: int) -> Layout:
    """The answers in two columns where they have room, else the tuned one beneath the base's."""
    asked = line((" > ", "accent"), (shorten(fmt.plain(exchange.prompt), width - 4), "strong"))
    if exchange.side is None:
        status = line((f" {fmt.plain(exchange.status)}", "label"))
        return Layout([asked], [status], 0)
    if width >= WIDE_COLUMNS:
        return _beside(exchange, asked, width)
    return _above(exchange, asked, width)


def _beside(exchange: Exchange, asked: Line, width: int) -> Layout:
    left = (width - len(GAP) - 1) // 2
    widths = {"base": left, "tuned": width - len(GAP) - 1 - left}
    texts = {side: wrapped(exchange.texts.get(side, ""), widths[side]) for side in SIDES}
    heads = [fit(_title(exchange, side, widths[side]), widths[side]) for side in SIDES]
    rows = [
        line(" ", *fit(line(base), left), (GAP, "rule"), tuned)
        for base, tuned in zip_longest(*texts.values(), fillvalue="")
    ]
    newest = len(texts[exchange.side or "base"]) - 1
    return Layout([asked, line(" ", *heads[0], "   ", *heads[1])], rows, newest)


def _above(exchange: Exchange, asked: Line, width: int) -> Layout:
    rows: list[Line] = []
    for side in SIDES:
        if side in exchange.texts:
            rows += [EMPTY] if rows else []
            rows.append(_title(exchange, side, width))
            rows += [line(" ", text) for text in wrapped(exchange.texts[side], width - 2)]
    return Layout([asked], rows, len(rows) - 1)


def _title(exchange: Exchange, side: Side, width: int) -> Line:
    name = f"{fmt.plain(exchange.model)}, base" if side == "base" else exchange.tuned
    name = shorten(name, width - 8)
    # The name says most; the note gives way, its last part first.
    note, room = fmt.plain(exchange.note(side)), max(0, width - cell_len(name) - 9)
    while cell_len(note) > room and ", " in note:
        note = note.rpartition(", ")[0]
    note = shorten(note, room)
    return heading(line((name, "strong")), line((note, "label")), width)


def wrapped(text: str, width: int) -> list[str]:
    """``text`` as rows of at most ``width`` cells, nothing in it that a terminal would obey."""
    width = max(1, width)
    return [row for part in text.split("\n") for row in _rows(part, width)]


@lru_cache(maxsize=2048)
def _rows(text: str, width: int) -> tuple[str, ...]:
    """One line with its indentation, broken at spaces, or within a word longer than a row."""
    rows: list[str] = []
    row = ""
    for piece in re.findall(" *[^ ]+", fmt.plain(text)):
        if cell_len(row + piece) <= width:
            row += piece
            continue
        if row:
            rows.append(row)
        *full, row = chop_cells(piece.lstrip(" ") if row else piece, width)
        rows += full
    return (*rows, row)
