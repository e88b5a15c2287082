"""JSON lines as they stream by, in bounded memory, every broken one noted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from cockpit.data.findings import Fault
from cockpit.data.sources import BOM
from cockpit.system.dataset import MAX_LINE_BYTES, bounded_lines

Row = dict[str, Any]
# The number of the line, and the object on it; None for one that was noted as unusable.
Numbered = tuple[int, Row | None]
# Takes a fault and the line it is on; None for a whole file.
Note = Callable[[Fault, int | None], None]


def read_lines(file: BinaryIO, note: Note) -> Iterator[Numbered]:
    """Every example, the unusable ones as None; empty lines are skipped."""
    for number, line in bounded_lines(file):
        if number == 1 and line.startswith(BOM):
            line = line[len(BOM) :]
            note(Fault("byte-order-mark"), 1)
        if line.isspace() or not line:
            note(Fault("empty-line"), number)
            continue
        row = parse(line)
        if isinstance(row, Fault):
            note(row, number)
            yield number, None
        else:
            yield number, row


def parse(line: bytes) -> Row | Fault:
    """The object on a line, or what keeps it from being one."""
    if len(line) > MAX_LINE_BYTES:
        return Fault("line-too-long")
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError as error:
        return Fault("not-utf8", f"byte {line[error.start]:#04x}", error.start + 1)
    except json.JSONDecodeError as error:
        return _broken(line, error)
    except RecursionError:
        return Fault("nested-too-deep")
    except ValueError as error:  # an integer of thousands of digits
        return Fault("invalid-json", str(error))
    if not isinstance(value, dict):
        return Fault("not-an-object", f"found {kind_of(value)}")
    return value


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"


def _broken(line: bytes, error: json.JSONDecodeError) -> Fault:
    said = error.msg[0].lower() + error.msg[1:]
    if error.msg == "Extra data":
        said = "something follows the object; each needs a line of its own"
    text = error.doc.rstrip()
    if text.startswith("{'") or (error.msg == "Expecting value" and _names_python(error)):
        return Fault("python-literal", said, error.colno)
    if not line.endswith(b"\n") and text.startswith("{") and _breaks_at_the_end(error, len(text)):
        return Fault("cut-off", said, error.colno)
    return Fault("invalid-json", said, error.colno)


def _names_python(error: json.JSONDecodeError) -> bool:
    return error.doc.startswith(("None", "True", "False"), error.pos)


def _breaks_at_the_end(error: json.JSONDecodeError, length: int) -> bool:
    return error.pos >= length or error.msg.startswith("Unterminated string")
