"""The table of runs: narrowed by what is typed, in an order that its head tells."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.system import runs_view
from cockpit.system.run_list import RunRow
from cockpit.system.runs_view import Order
from cockpit.system.summary import RunSummary
from cockpit.ui import runs_columns
from cockpit.ui.spans import Line, heading, line, shorten
from cockpit.ui.widgets.cursor_list import CursorList

LONGEST_FILTER = 24
# Lines of the head, and the height from which on there is one.
TITLES, ROOM_FOR_TITLES = 2, 5


class RunsTable(CursorList):
    """Keeps its cursor on the same run while others come and go."""

    HEAD = TITLES

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        # All there are, newest first; and those that are shown, as they are.
        self.all_runs: list[RunRow] = []
        self.runs: list[RunRow] = []
        self.loaded = False
        self.marked: set[str] = set()
        self.typed = ""
        self.order = Order()
        self._shape = runs_columns.layout((), self.order, 0)

    @property
    def total(self) -> int:
        return len(self.runs)

    @property
    def chosen(self) -> RunRow | None:
        """The row of the cursor."""
        return self.runs[min(self.cursor, len(self.runs) - 1)] if self.runs else None

    @property
    def selected(self) -> RunSummary | None:
        return self.chosen.summary if self.chosen is not None else None

    def marked_runs(self) -> list[RunSummary]:
        """The marked ones in the order of the table, then those that the filter hides."""
        shown = [row.summary for row in self.runs]
        names = {summary.run for summary in shown}
        hidden = [row.summary for row in self.all_runs if row.summary.run not in names]
        return [summary for summary in (*shown, *hidden) if summary.run in self.marked]

    def show_runs(self, runs: list[RunRow]) -> None:
        self.all_runs = runs
        self.loaded = True
        self.marked &= {row.summary.run for row in runs}
        self._arrange()

    def narrow(self, typed: str) -> None:
        """Shows the runs that match ``typed`` alone."""
        self.typed = typed.strip()
        self._arrange()

    def put_in_order(self, order: Order) -> None:
        self.order = order
        self._arrange()

    def _arrange(self) -> None:
        before = self.chosen
        shown = runs_view.matching(self.all_runs, self.typed)
        self.runs = runs_view.arranged(shown, self.order)
        names = [row.summary.run for row in self.runs]
        if before is not None and before.summary.run in names:
            self.cursor = names.index(before.summary.run)
        self.cursor = max(0, min(self.cursor, self.total - 1))
        self.redraw()
        if self.chosen != before:
            self.post_message(self.Moved(self))

    def mark(self) -> None:
        """Marks the run of the cursor, or takes its mark away, and goes to the next."""
        if (chosen := self.selected) is not None:
            self.marked ^= {chosen.run}
            self.move_to(self.cursor + 1)
            self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        self._shape = runs_columns.layout(self.all_runs, self.order, width - 2)
        self.HEAD = TITLES if height >= ROOM_FOR_TITLES else 0
        return super().build(width, height)

    def head(self, width: int) -> Sequence[Line]:
        titles = line("  ", *runs_columns.titles(self._shape, self.order))
        order = line((self.order.in_words(), "label"))
        lines = [titles, heading(order, self._note(), width)] if self.HEAD else []
        if self.loaded and not self.all_runs:
            lines += [(), line("  No runs yet. ", ("n", "accent"), " starts one.")]
        elif self.loaded and not self.runs:
            shown = shorten(fmt.plain(self.typed), LONGEST_FILTER)
            lines += [(), line(f"  No run has “{shown}”. ", ("esc", "accent"), " shows all.")]
        return lines

    def _note(self) -> Line:
        said = [f"{len(self.marked)} marked"] if self.marked else []
        if self.typed:
            shown = shorten(fmt.plain(self.typed), LONGEST_FILTER)
            said.append(f"“{shown}” {len(self.runs)} of {len(self.all_runs)}")
        return line((" · ".join(said), "accent")) if said else ()

    def row(self, index: int, width: int) -> Line:
        row = self.runs[index]
        return runs_columns.cells(row, self._shape, marked=row.summary.run in self.marked)
