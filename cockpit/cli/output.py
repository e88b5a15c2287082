"""How the command line prints: text for people, or one JSON document on standard output."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from cockpit.errors import CockpitError

NOT_AVAILABLE = "n/a"


def plain(text: str) -> str:
    """``text`` without control and bidirectional characters: shown, never obeyed."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co") else "\ufffd"
        for c in text
    )


def print_json(document: Any) -> None:
    json.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")
    sys.stdout.flush()


def print_error(error: CockpitError, *, as_json: bool) -> None:
    if as_json:
        print_json({"error": error.to_json()})
    parts = [f"cockpit: {error.title}"]
    parts += [f"  {line}" for line in error.message.splitlines()]
    parts += [f"  -> {line}" for line in error.remedy.splitlines()]
    say("\n".join(parts))


def say(text: str = "") -> None:
    """A line for the person, on standard error, where progress belongs."""
    print(plain(text), file=sys.stderr, flush=True)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Left-aligned columns two spaces apart; the last one may be as long as it likes."""
    cells = [[plain(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(padded).rstrip())


def gigabytes(size_bytes: int | None) -> str:
    return NOT_AVAILABLE if size_bytes is None else f"{size_bytes / 1e9:.2f} GB"


def gibibytes(size_bytes: int | None) -> str:
    return NOT_AVAILABLE if size_bytes is None else f"{size_bytes / 2**30:.1f} GiB"


def number(value: float | None, digits: int = 3) -> str:
    return NOT_AVAILABLE if value is None else f"{value:.{digits}f}"


def duration(seconds: float | None) -> str:
    """``1h02m``, ``3m07s`` or ``12s``."""
    if seconds is None:
        return NOT_AVAILABLE
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
