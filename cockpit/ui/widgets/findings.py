"""A data set's report: an overview, the findings as a list, and the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.ui import data_view
from cockpit.ui.data_view import Document
from cockpit.ui.spans import Line, heading, line
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.lines import Lines


class DataOverview(Lines):
    """Counts and lengths, or what is going on instead."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._document: Document | None = None
        self._waiting = ""

    def wait(self, text: str) -> None:
        self._document, self._waiting = None, text
        self.redraw()

    def show(self, document: Document) -> None:
        self._document = document
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._document is None:
            return [line((f" {self._waiting}", "label"))]
        return data_view.overview(self._document, width)


class FindingList(CursorList):
    """Errors first; the row of the cursor is explained beneath."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._findings: list[Document] = []

    @property
    def total(self) -> int:
        return len(self._findings)

    @property
    def selected(self) -> Document | None:
        return self._findings[self.cursor] if self._findings else None

    def show(self, findings: list[Document]) -> None:
        self._findings, self.cursor = findings, 0
        self.redraw()
        self.post_message(self.Moved(self))

    def head(self, width: int) -> Sequence[Line]:
        return [heading(self.title("Findings"), (), width)]

    def row(self, index: int, width: int) -> Line:
        return data_view.finding_row(self._findings[index])


class FindingDetail(Lines):
    """What a finding means, and the cure."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._finding: Document | None = None

    def show(self, finding: Document | None) -> None:
        self._finding = finding
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        return data_view.finding_detail(self._finding, width) if self._finding else ()
