"""What was printed and what was said: the log's tail, the samples, the notes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Literal

from cockpit.core import events as ev
from cockpit.core import format as fmt
from cockpit.core.ladder import cost_in_words
from cockpit.ui.spans import Line, Span, heading, line
from cockpit.ui.view import RunView
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.status import NOTE_ROLE

Page = Literal["log", "samples", "notes", "story"]
PAGES: tuple[Page, ...] = ("log", "samples", "notes", "story")


class Journal(Lines):
    """One of four pages, the newest entry at the bottom."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: RunView | None = None
        self.page: Page = "log"

    def update_view(self, view: RunView) -> None:
        self._view = view
        self.redraw()

    def turn(self) -> None:
        """Shows the next page."""
        self.page = PAGES[(PAGES.index(self.page) + 1) % len(PAGES)]
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._view is None:
            return ()
        lines = page_lines(self._view, self.page, width)
        return [heading(self._tabs(), (), width), *lines[-(height - 1) :]]

    def _tabs(self) -> Line:
        """The pages' names, the open one in brackets and bold."""
        spans: list[Span] = []
        for page in PAGES:
            name = page.capitalize()
            spans.append((f"[{name}]", "strong") if page == self.page else (f" {name} ", "label"))
        return tuple(spans)


def page_lines(view: RunView, page: Page, width: int) -> list[Line]:
    """All lines of a page, oldest first."""
    if page == "log":
        return [line(" ", fmt.plain(text)) for text in view.log] or _empty("Nothing printed yet.")
    if page == "samples":
        lines = [row for sample in view.state.samples for row in sample_lines(sample, width)]
        return lines or _empty("No samples yet: t asks for one.")
    if page == "story":
        return story_lines(view) or _empty("It never ran out of memory.")
    return [row for note in view.state.notes for row in note_lines(note)] or _empty("No notes.")


def story_lines(view: RunView) -> list[Line]:
    """Every recovery: why, what was changed, what it cost; and why the last one was not taken."""
    lines = []
    for told in view.state.recoveries:
        found = told.recovery
        who = "by itself" if found.automatic else "as chosen"
        lost = f"{fmt.count(found.lost_updates)} updates made again" if found.lost_updates else ""
        cost = ", ".join(
            part for part in (f"from update {fmt.count(found.from_update)}", lost) if part
        )
        lines += [
            line(
                (f" attempt {told.attempt}  ", "label"),
                (fmt.plain(found.title), "strong"),
                (f"  {who}, {cost}", "label"),
            ),
            line(("   because: ", "label"), fmt.plain(found.cause or "it was out of memory")),
            line((f"   forecast {fmt.gigabytes(found.forecast_bytes)}", "label"),
                 (f" of {fmt.gigabytes(found.budget_bytes)}", "label")),
        ]  # fmt: skip
        if found.slowdown is not None:
            lines.append(line((f"   cost: {cost_in_words(found)}", "label")))
    if (refused := view.state.refused) is not None:
        lines.append(line((f" ! {fmt.plain(refused.title)}", "warn")))
        said = " → ".join(part for part in (refused.message, refused.remedy) if part)
        lines.append(line(("   ", "label"), fmt.plain(said)))
    return lines


def sample_lines(sample: ev.Sampled, width: int) -> list[Line]:
    """The prompt with its update, and the completion, wrapped."""
    head = f" after {fmt.count(sample.update)} updates  "
    said = textwrap.wrap(fmt.plain(sample.text), max(20, width - 6)) or ["(nothing)"]
    return [
        line((head, "label"), fmt.plain(sample.prompt)),
        *(line(("   › " if i == 0 else "     ", "accent"), text) for i, text in enumerate(said)),
    ]


def note_lines(note: ev.Note) -> list[Line]:
    sign = {"info": "·", "warning": "!", "error": "✗"}[note.level]
    lines = [line((f" {sign} {fmt.plain(note.message)}", NOTE_ROLE[note.level]))]
    if note.remedy:
        lines.append(line((f"   → {fmt.plain(note.remedy)}", "label")))
    return lines


def _empty(text: str) -> list[Line]:
    return [line((f" {text}", "label"))]
