"""Plain text files as examples: whole paragraphs packed up to a length, or conversations."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from cockpit.data.findings import Fault
from cockpit.data.lines import Note, Numbered
from cockpit.data.markup import markup_of, starts_conversation

_SNIFFED_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 1 << 16
_LONGEST_CONVERSATION = 1 << 22  # characters

_Line = tuple[int, str]


def read_passages(file: BinaryIO, characters: int, note: Note) -> Iterator[Numbered]:
    """``{"text": ...}`` with the line each starts on, of at most about ``characters``.

    A paragraph is cut only if it is longer than that alone. A file that is formatted for chat
    comes as its conversations.
    """
    marked = markup_of(file.read(_SNIFFED_BYTES).decode("utf-8", "replace")) is not None
    file.seek(0)
    lines = _lines(file, min(characters, _LONGEST_LINE_BYTES), note)
    if marked:
        yield from _conversations(lines)
        return
    held: list[str] = []
    start, size = 1, 0
    for line, paragraph in _paragraphs(lines, characters):
        if held and size + len(paragraph) > characters:
            yield start, {"text": "\n\n".join(held)}
            held, size = [], 0
        start = start if held else line
        held.append(paragraph)
        size += len(paragraph) + 2
    if held:
        yield start, {"text": "\n\n".join(held)}


def _conversations(lines: Iterable[_Line]) -> Iterator[Numbered]:
    held: list[str] = []
    start, size, blank = 1, 0, False
    for number, line in lines:
        new = starts_conversation(line, after_blank=blank)
        if held and (new or size > _LONGEST_CONVERSATION):
            yield start, {"text": "\n".join(held)}
            held, size = [], 0
        blank = not line.strip()
        if held or not blank:
            start = start if held else number
            held.append(line)
            size += len(line) + 1
    if held:
        yield start, {"text": "\n".join(held)}


def _paragraphs(lines: Iterable[_Line], characters: int) -> Iterator[_Line]:
    """Paragraphs and the line each starts on; no longer than ``characters``."""
    held: list[str] = []
    size = start = 0
    for number, line in lines:
        if held and (not line.strip() or size + len(line) > characters):
            yield start, "\n".join(held)
            held, size = [], 0
        if line.strip():
            start = start if held else number
            held.append(line)
            size += len(line) + 1
    if held:
        yield start, "\n".join(held)


def _lines(file: BinaryIO, longest_bytes: int, note: Note) -> Iterator[_Line]:
    """Decoded lines; one that is longer comes in pieces."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    number, noted = 1, False
    while piece := file.readline(longest_bytes):
        text = decoder.decode(piece)
        if not noted and "\ufffd" in text and b"\xef\xbf\xbd" not in piece:
            note(Fault("not-utf8", "unreadable bytes"), number)
            noted = True
        yield number, text.rstrip("\r\n")
        number += piece.endswith(b"\n")
