"""CSV and Parquet, row by row, as the objects that JSON lines would hold."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from cockpit.data.findings import Fault
from cockpit.data.lines import Note, Numbered, Row
from cockpit.system.dataset import MAX_LINE_BYTES

PARQUET_ROWS = 1_000  # held at once
_SNIFFED_BYTES = 1 << 16


def read_table(file: BinaryIO, note: Note, *, tabs: bool = False) -> Iterator[Numbered]:
    """Rows of a CSV or TSV file, with the line each ends on; the first line names the columns."""
    csv.field_size_limit(MAX_LINE_BYTES)
    separator = "\t" if tabs else _separator(file.read(_SNIFFED_BYTES).partition(b"\n")[0])
    file.seek(0)
    # Bytes that are no UTF-8 become lone surrogates, to be found in their row.
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.DictReader(text, delimiter=separator, strict=True)
    try:
        for cells in reader:
            fault = _fault(cells)
            if fault is not None:
                note(fault, reader.line_num)
            yield reader.line_num, None if fault else _decoded(cells)
    except csv.Error as error:
        note(Fault("table-broken", str(error)), reader.line_num)
        yield reader.line_num, None
    finally:
        text.detach()


def read_parquet(path: Path, note: Note) -> Iterator[Numbered]:
    """Rows of a Parquet file, numbered from 1; a finding if pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        note(Fault("parquet-needs-pyarrow"), None)
        return
    from pyarrow import ArrowException, parquet

    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=PARQUET_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except ArrowException as error:
        note(Fault("table-broken", str(error)), number + 1)


def _separator(header: bytes) -> str:
    return max(",;\t|", key=lambda separator: header.count(separator.encode()))


def _fault(cells: dict[Any, Any]) -> Fault | None:
    if None in cells:
        return Fault("table-broken", "more cells than the first line has columns")
    if None in cells.values():
        return Fault("table-broken", "fewer cells than the first line has columns")
    for cell in cells.values():
        if not cell.isascii() and any("\udc80" <= c <= "\udcff" for c in cell):
            return Fault("not-utf8", "in a cell of this row")
    return None


def _decoded(cells: dict[str, str]) -> Row:
    """Lists of messages are JSON in their cell."""
    return {key: _json_list(cell) for key, cell in cells.items()}


def _json_list(cell: str) -> Any:
    if not cell.startswith("[{"):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell
