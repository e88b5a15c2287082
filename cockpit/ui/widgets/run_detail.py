"""What the table of runs has no column for: the chosen run's model, adapters and diagnosis."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.system.summary import RunSummary
from cockpit.ui.spans import Line, heading, line, pad
from cockpit.ui.widgets.lines import Lines


class RunDetail(Lines):
    """A few lines under the table, about the run of the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._summary: RunSummary | None = None

    def show_summary(self, summary: RunSummary | None) -> None:
        self._summary = summary
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._summary is None:
            return ()
        title = line((fmt.plain(self._summary.run), "strong"))
        return [heading(title, (), width), *detail_lines(self._summary, width)][:height]


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
