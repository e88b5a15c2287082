"""The table of runs: state first, then what was learned and what it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cockpit.core import format as fmt
from cockpit.system.summary import RunSummary
from cockpit.ui.spans import Line, line, pad, shorten
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.status import STATUS

STATE, ITERS, LOSS, SIZE = 12, 7, 8, 9
FIGURES = STATE + ITERS + 2 * LOSS + 2 * SIZE
MODEL_FROM = 90


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run's summary, and the last validation loss, which the summary leaves out."""

    summary: RunSummary
    validation_loss: float | None = None


class RunsTable(CursorList):
    """Keeps its cursor on the same run while others come and go."""

    HEAD = 2

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.runs: list[RunRow] = []
        self.loaded = False
        self.marked: set[str] = set()

    @property
    def total(self) -> int:
        return len(self.runs)

    @property
    def selected(self) -> RunSummary | None:
        return self.runs[self.cursor].summary if self.runs else None

    def show_runs(self, runs: list[RunRow]) -> None:
        chosen = self.selected
        self.runs = runs
        self.loaded = True
        names = [row.summary.run for row in runs]
        if chosen is not None and chosen.run in names:
            self.cursor = names.index(chosen.run)
        self.redraw()

    def mark(self) -> None:
        """Marks the run of the cursor, or takes its mark away, and goes to the next."""
        if (chosen := self.selected) is not None:
            self.marked ^= {chosen.run}
            self.move_to(self.cursor + 1)
            self.redraw()

    def head(self, width: int) -> Sequence[Line]:
        columns = pad("state", STATE) + pad("run", self._name_width(width - 2))
        figures = f"{'iters':>{ITERS}}{'train':>{LOSS}}{'valid':>{LOSS}}"
        figures += f"{'forecast':>{SIZE}}{'peak':>{SIZE}}"
        model = "  model" if width >= MODEL_FROM else ""
        lines = [line((f"  {columns}{figures}{model}", "label")), line(("─" * width, "rule"))]
        if self.loaded and not self.runs:
            lines += [(), line("  No runs yet. ", ("n", "accent"), " starts one.")]
        return lines

    def row(self, index: int, width: int) -> Line:
        summary = self.runs[index].summary
        glyph, role = STATUS.get(summary.status, ("?", "label"))
        name_width = self._name_width(width)
        figures = (
            f"{fmt.count(summary.iterations):>{ITERS}}{fmt.loss(summary.final_train_loss):>{LOSS}}"
            f"{fmt.loss(self.runs[index].validation_loss):>{LOSS}}"
            f"{fmt.gigabytes(summary.predicted_peak_bytes):>{SIZE}}"
            f"{fmt.gigabytes(summary.measured_peak_bytes):>{SIZE}}"
        )
        model = f"  {fmt.plain(summary.model or 'n/a')}" if width + 2 >= MODEL_FROM else ""
        mark = "* " if summary.run in self.marked else ""
        name = pad(mark + shorten(fmt.plain(summary.run), name_width - 1 - len(mark)), name_width)
        return line(
            (pad(f"{glyph} {summary.status}", STATE), role), name, figures, (model, "label")
        )

    def _name_width(self, width: int) -> int:
        spare = width - FIGURES
        return max(8, spare if width + 2 < MODEL_FROM else min(46, spare - 20))
