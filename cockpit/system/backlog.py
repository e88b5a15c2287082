"""A long history in a short time: which lines of a big event file are worth parsing.

A run of a million updates is 350 MB of lines that all look alike. What has to be exact (the
status, every validation, checkpoint, note and answer, the last update) is found without parsing
them: updates and memory samples are the only numerous kinds, and a search for lines of any
other kind runs at a gigabyte a second. Of the numerous ones, the last ``EXACT_BYTES`` of a file
are read in full. Of the updates before that, only as many as a curve can show:

- ``sampled``: one here and there, evenly by place in the file. Quick enough to open any run in
  less than a second from a cold start, but a spike between two of them is not seen.
- ``extremes``: the lowest and the highest loss in each of as many pieces. Every loss is looked
  at, which takes a second or so for a million.

Nothing is cached: there is no second copy of the truth that could be stale or damaged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cockpit.system import jsonl

# Less than this is parsed whole: a few hundredths of a second.
BACKLOG_BYTES = 4 << 20
# The end of every file is: some three thousand updates, more samples than a RunState keeps.
EXACT_BYTES = 1 << 20
# Read at a time: memory does not depend on the file, and the block stays in the processor's cache.
BLOCK_BYTES = 64 << 10
SMALLEST_PIECE_BYTES = 4 << 10
CURVE_PIECES = 1000

Manner = Literal["sampled", "extremes"]

# Records write v, t and type first, without spaces; inside a text every quote is escaped.
_TYPE = b'"type":"'
_UPDATE = b'"type":"update"'
_OTHER_THAN_UPDATE = re.compile(rb'"type":"(?:[^u]|u[^p])')
_OTHER_THAN_MEMORY = re.compile(rb'"type":"(?:[^m]|m[^e])')
_LOSS = re.compile(rb'"type":"update","update":(\d+),"epoch":[^,]*,"loss":"?([^,"]+)')


@dataclass(slots=True)
class Backlog:
    """The old part of one file, read through its ``tail`` up to ``end`` (a byte offset).

    ``memory``: the file is a supervisor's, whose numerous lines are memory samples. All that are
    old go: only the last are kept anywhere.
    """

    tail: jsonl.Tail
    end: int
    piece_bytes: int
    manner: Manner
    memory: bool
    _next: int = 0

    @property
    def done(self) -> bool:
        return self.tail.offset >= self.end

    def read(self) -> tuple[list[bytes], int]:
        """The lines worth parsing of the next block, and its size; 0 at the end of the file.

        Raises OSError if the file cannot be read.
        """
        limit = self.piece_bytes if self.manner == "extremes" else BLOCK_BYTES
        start = self.tail.offset
        block = self.tail.read_block(min(limit, max(1, self.end - start)))
        if self.memory:
            picked = _lines_at(block, _OTHER_THAN_MEMORY)
        elif self.manner == "sampled":
            picked = _lines_at(block, _OTHER_THAN_UPDATE) | self._samples(block, start)
        else:
            picked = _lines_at(block, _OTHER_THAN_UPDATE) | _extremes(block)
        if not picked and _TYPE not in block:
            # Not as we write it: then what it holds is for the parser to say.
            return jsonl.lines_of(block), len(block)
        return [picked[place] for place in sorted(picked)], len(block)

    def _samples(self, block: bytes, start: int) -> dict[int, bytes]:
        picked: dict[int, bytes] = {}
        self._next = max(self._next, start)
        while self._next < start + len(block):
            place, line = _line_around(block, self._next - start)
            if _UPDATE in line:
                picked[place] = line
            self._next += self.piece_bytes
        return picked


def of(tail: jsonl.Tail, manner: Manner, *, memory: bool) -> Backlog | None:
    """What is to be thinned out of what ``tail`` has not read; None if it is little."""
    unread = tail.unread_bytes()
    if unread <= BACKLOG_BYTES:
        return None
    old = unread - EXACT_BYTES
    piece_bytes = max(SMALLEST_PIECE_BYTES, old // CURVE_PIECES)
    if manner == "extremes":
        piece_bytes = min(piece_bytes, BLOCK_BYTES)
    return Backlog(tail, tail.offset + old, piece_bytes, manner, memory)


def without_memory(path: Path) -> Iterator[bytes]:
    """The lines of a supervisor's file that are not memory samples, of which there are many.

    Raises OSError if the file cannot be read.
    """
    tail = jsonl.Tail(path)
    while block := tail.read_block(BLOCK_BYTES):
        picked = _lines_at(block, _OTHER_THAN_MEMORY)
        yield from (picked[place] for place in sorted(picked))


def _lines_at(block: bytes, pattern: re.Pattern[bytes]) -> dict[int, bytes]:
    """The lines in which ``pattern`` is found, by their place in the block."""
    return dict(_line_around(block, match.start()) for match in pattern.finditer(block))


def _line_around(block: bytes, place: int) -> tuple[int, bytes]:
    start = block.rfind(b"\n", 0, place) + 1
    return start, block[start : block.find(b"\n", place)]


def _extremes(block: bytes) -> dict[int, bytes]:
    """The updates with the lowest and the highest loss; all of them if one is not a number."""
    found: list[tuple[bytes, bytes]] = _LOSS.findall(block)
    if not found:
        return {}
    try:
        losses = [float(loss) for _, loss in found]
    except ValueError:
        losses = [math.nan]
    if not all(map(math.isfinite, losses)):
        return _lines_at(block, re.compile(_UPDATE))
    chosen = {losses.index(min(losses)), losses.index(max(losses))}
    places = (block.find(b'"type":"update","update":%b,' % found[i][0]) for i in chosen)
    return dict(_line_around(block, place) for place in places)
