"""One JSON document that holds many examples, read value by value in bounded memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from cockpit.data.findings import Fault
from cockpit.data.lines import Note, Numbered, kind_of
from cockpit.system.dataset import MAX_LINE_BYTES

CHUNK_BYTES = 1 << 20
# Between the examples of an array, or of objects written one after the other.
_BETWEEN = re.compile(r"[\s\[\],]*")
_SCAN = json.JSONDecoder().raw_decode


def read_document(file: BinaryIO, note: Note) -> Iterator[Numbered]:
    """The objects of an array, or objects one after the other, with the line each starts on.

    What follows the first broken one is not read: where the next one starts is not known.
    """
    window = _Window(file)
    try:
        while window.skip_to_value():
            value = window.value()
            if isinstance(value, Fault):
                note(value, window.line)
                yield window.line, None
                return
            if not isinstance(value[0], dict):
                note(Fault("not-an-object", f"found {kind_of(value[0])}"), window.line)
            yield window.line, value[0] if isinstance(value[0], dict) else None
    except UnicodeDecodeError as error:
        note(Fault("not-utf8", f"byte {error.object[error.start]:#04x}"), window.line)
        yield window.line, None


class _Window:
    """A part of the file as text. ``line`` is where the value last asked for starts."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._position = 0
        self._end = 0  # of the value last read
        self._ended = False
        self.line = 1

    def skip_to_value(self) -> bool:
        """Goes to the next value; False if there is none."""
        self._advance(max(self._position, self._end))
        self._end = 0
        while True:
            found = _BETWEEN.match(self._text, self._position)
            assert found is not None
            self._advance(found.end())
            if self._position < len(self._text):
                return True
            if not self._more():
                return False

    def value(self) -> tuple[Any] | Fault:
        """The value that starts here, or why there is none."""
        while True:
            try:
                value, end = _SCAN(self._text, self._position)
            except RecursionError:
                return Fault("nested-too-deep")
            except json.JSONDecodeError as error:
                too_long = len(self._text) - self._position > MAX_LINE_BYTES
                if too_long or not self._more():
                    return self._fault(error, too_long)
            except ValueError as error:  # an integer of thousands of digits
                return Fault("invalid-json", str(error))
            else:
                self._end = end
                return (value,)

    def _fault(self, error: json.JSONDecodeError, too_long: bool) -> Fault:
        if too_long:
            return Fault("line-too-long")
        said = error.msg[0].lower() + error.msg[1:]
        at_end = error.pos >= len(self._text.rstrip()) or error.msg.startswith("Unterminated")
        return Fault("cut-off" if at_end else "invalid-json", said)

    def _advance(self, to: int) -> None:
        self.line += self._text.count("\n", self._position, to)
        self._position = to

    def _more(self) -> bool:
        """Reads on, as much again as is not yet used; False at the end of the file."""
        if self._ended:
            return False
        self._text = self._text[self._position :]
        self._position = 0
        chunk = self._file.read(max(CHUNK_BYTES, len(self._text)))
        self._ended = not chunk
        self._text += self._decoder.decode(chunk, final=self._ended)
        return True
