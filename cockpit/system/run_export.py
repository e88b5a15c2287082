"""Runs as CSV and as JSON, in pieces: a run of a million updates is never held whole."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from cockpit.core.format import plain
from cockpit.system import run_data
from cockpit.system.run_data import UpdateRow
from cockpit.system.run_dir import RunDir
from cockpit.system.run_document import document

COLUMNS = ("run", *UpdateRow._fields)
_ROWS_A_PIECE = 1000
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@")


def as_csv(runs: Sequence[RunDir]) -> Iterator[str]:
    """A line for each update, led by its run; an empty cell is unknown, ``nan`` is not a number."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        name = _cell(run.name)
        for number, row in enumerate(run_data.rows(run)):
            writer.writerow((name, *row))
            if number % _ROWS_A_PIECE == 0:
                yield _emptied(buffer)
    yield _emptied(buffer)


def as_json(runs: Sequence[RunDir]) -> Iterator[str]:
    """``{"runs": [...]}``: each run's plan and summary, and its updates under ``history``.

    A loss that is not a number is the text ``"NaN"``, as in the run's own records.
    """
    yield '{"runs": ['
    for place, run in enumerate(runs):
        head = _dumped(document(run), indent=1).removesuffix("\n}")
        yield f'{"," if place else ""}\n{head},\n "history": ['
        separator = "\n  "
        for row in run_data.rows(run):
            yield separator + _dumped(row._asdict())
            separator = ",\n  "
        yield "\n ]\n}"
    yield "\n]}\n"


def _emptied(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _cell(text: str) -> str:
    shown = plain(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _dumped(value: Any, indent: int | None = None) -> str:
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    """``value`` with what JSON has no number for as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
