"""What happened to a run: the diagnosis with its evidence, and memory up to the end."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.core.samples import MemorySample
from cockpit.ui.axes import axis_for
from cockpit.ui.braille import Envelope, dot_row, draw
from cockpit.ui.recovering import Ways
from cockpit.ui.spans import Line, heading, line, spread
from cockpit.ui.widgets.lines import Lines

LABEL_WIDTH = 9
LEAST_SECONDS = 10


class OfWays(Lines):
    """Draws what is known of a run that ended."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._ways: Ways | None = None

    def show(self, ways: Ways) -> None:
        self._ways = ways
        self.redraw()


class Cause(OfWays):
    """The diagnosis, where the run would go on from, and as much evidence as there is room for."""

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._ways is None:
            return (line((" looking at how the run ended…", "label")),)
        found = self._ways.situation
        note = line((f"attempt {found.attempt}, {found.status}", "label"))
        lines = [
            heading(line(("What happened", "strong")), note, width),
            line((f" ✗ {fmt.plain(found.diagnosis.title)}", "bad")),
            line(" ", (place_text(self._ways), "text")),
        ]
        for item in found.diagnosis.evidence:
            rows = textwrap.wrap(fmt.plain(item), max(20, width - 5))
            lines += [
                line(("   · " if i == 0 else "     ", "label"), row) for i, row in enumerate(rows)
            ]
        return lines[:height]


def place_text(ways: Ways) -> str:
    """From where it goes on, and what is made again."""
    found = ways.situation
    if found.checkpoint is None:
        return "There is no checkpoint yet: it starts over, from update 0."
    lost = found.lost_updates
    again = (
        f"{fmt.count(lost)} update{'s' if lost != 1 else ''} are made again"
        if lost
        else "nothing is lost"
    )
    return f"It goes on from the checkpoint after update {fmt.count(found.from_update)}: {again}."


class Timeline(OfWays):
    """The trainer's footprint until the end, against a limit that the system set."""

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._ways is None or height < 3:
            return ()
        timeline = self._ways.situation.timeline
        points, limit = footprints(timeline), limit_of(timeline)
        note = line(("limit ", "label"), fmt.gigabytes(limit)) if limit else ()
        head = heading(line(("Memory of the trainer, to its end", "strong")), note, width)
        columns, rows = width - LABEL_WIDTH - 3, height - 2
        if len(points) < 2 or columns < 10:
            return (head, line(("   too short a life for a reading", "label")))
        return (head, *plot(points, limit, columns, rows))


def footprints(timeline: Sequence[tuple[float, MemorySample]]) -> list[tuple[float, int]]:
    """(seconds before the last reading, bytes) where the footprint is known, oldest first."""
    known = [(t, s.footprint_bytes) for t, s in timeline if s.footprint_bytes]
    return [(t - known[-1][0], size) for t, size in known]


def limit_of(timeline: Sequence[tuple[float, MemorySample]]) -> int | None:
    """What the system let the run have; None if it set no limit of its own."""
    return timeline[-1][1].limit_bytes if timeline else None


def plot(points: list[tuple[float, int]], limit: int | None, columns: int, rows: int) -> list[Line]:
    """Rows of a curve with the limit as a dotted line, then the time axis."""
    span = max(LEAST_SECONDS, -points[0][0])
    steps = 10_000
    envelope = Envelope(steps, columns * 2)
    envelope.follow([(round((1 + at / span) * steps), size / 1e9) for at, size in points])
    top = max(max(size for _, size in points), limit or 0) / 1e9
    axis = axis_for(0.0, top * 1.02, about=max(2, rows // 2))
    mark = dot_row(limit / 1e9, axis, rows) // 4 if limit else None
    lines = []
    for row, text in enumerate(draw(envelope.columns(), axis, columns, rows)):
        label = f"{axis.label(axis.high)} GB" if row == 0 else "limit" if row == mark else ""
        shown = text if row != mark else "".join("┄" if cell == " " else cell for cell in text)
        lines.append(line((f" {label:>{LABEL_WIDTH}} ", "label"), ("│", "rule"), (shown, "train")))
    start = line((f"{' ' * (LABEL_WIDTH + 2)}└ {fmt.duration(span)} before", "label"))
    return [*lines, spread(start, line(("the end", "bad")), columns + LABEL_WIDTH + 3)]
