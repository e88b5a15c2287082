"""What the table of runs has no room for: the chosen run's tags, model, adapters, diagnosis."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.system.run_list import RunRow
from cockpit.system.summary import RunSummary
from cockpit.ui.runs_columns import in_line
from cockpit.ui.spans import Line, heading, line, pad
from cockpit.ui.widgets.lines import Lines


class RunDetail(Lines):
    """A few lines under the table, about the run of the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._row: RunRow | None = None

    def show_run(self, row: RunRow | None) -> None:
        self._row = row
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._row is None:
            return ()
        summary = self._row.summary
        title = line((fmt.plain(summary.run), "strong"))
        tags = line((in_line(self._row.tags), "accent")) if self._row.tags else ()
        return [heading(title, tags, width), *detail_lines(summary, width)][:height]


def detail_lines(summary: RunSummary, width: int) -> list[Line]:
    rows = [
        ("model", fmt.plain(summary.model or "n/a")),
        ("adapters", fmt.plain(summary.adapter_path or "none yet")),
    ]
    lines = [line((pad(f"  {name}", 12), "label"), value) for name, value in rows]
    if summary.problem:
        lines.append(line(("  ! " + fmt.plain(summary.problem), "warn")))
    if summary.diagnosis:
        lines += diagnosis_lines(summary.diagnosis, width)
    return lines


def diagnosis_lines(diagnosis: dict[str, object], width: int) -> list[Line]:
    """Title, evidence and remedy of why a run failed, wrapped."""
    lines = [line((f"  ✗ {fmt.plain(diagnosis.get('title', ''))}", "bad"))]
    evidence = diagnosis.get("evidence")
    for item in evidence if isinstance(evidence, list | tuple) else ():
        lines += _wrapped(fmt.plain(item), "    ", width)
    if remedy := diagnosis.get("remedy"):
        lines += _wrapped(fmt.plain(remedy), "  → ", width)
    return lines


def _wrapped(text: str, indent: str, width: int) -> list[Line]:
    rows = textwrap.wrap(text, max(20, width - len(indent) - 1))
    return [line((indent if i == 0 else "    ", "label"), row) for i, row in enumerate(rows)]
