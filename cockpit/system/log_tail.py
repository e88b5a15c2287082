"""The last lines of a log, fit to be shown: whatever was printed, without its control codes."""

from __future__ import annotations

import os
import re
from pathlib import Path

READ_BYTES = 64 * 1024
LINE_CHARACTERS = 2000

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS and its like
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
)
# C0 and C1 controls, and the marks that reorder what follows them.
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def read(path: Path, lines: int = 20) -> list[str]:
    """At most ``lines`` last non-empty lines; an empty list if there is no log to read."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - READ_BYTES))
            block = file.read(READ_BYTES)
    except OSError:
        return []
    text = block.decode("utf-8", "replace")
    if size > READ_BYTES:
        text = text.partition("\n")[2]
    shown = (clean(line) for line in text.split("\n"))
    return [line for line in shown if line][-lines:]


def clean(line: str) -> str:
    """One line as a terminal would leave it: what a carriage return overwrote is gone."""
    overwritten = line.rstrip("\r").rpartition("\r")[2]
    text = _CONTROLS.sub("", _ESCAPES.sub("", overwritten)).expandtabs(4)
    return text.rstrip()[:LINE_CHARACTERS]
