"""How the command line prints: text for people, or one JSON document on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from cockpit.core.format import plain, plain_lines
from cockpit.errors import CockpitError


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
    """Lines for the person, on standard error, where progress belongs."""
    print("\n".join(plain_lines(text)), file=sys.stderr, flush=True)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Left-aligned columns two spaces apart; the last one may be as long as it likes."""
    cells = [[plain(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(padded).rstrip())
