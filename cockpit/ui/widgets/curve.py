"""The loss curve and what is done with it: smooth, zoom, move, read; and strips under it."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.ui import smoothing, viewport
from cockpit.ui.axes import Scale, follow, follow_log, reach
from cockpit.ui.braille import Envelope, Point
from cockpit.ui.loss_plot import Marks, legend, marks_of, plot_lines, thinned
from cockpit.ui.plot_frame import LABEL_WIDTH, Grid
from cockpit.ui.reading import in_words, read, stepped, with_loss
from cockpit.ui.smoothing import Smoothed
from cockpit.ui.spans import Line, heading, line, width_of
from cockpit.ui.strips import strip
from cockpit.ui.view import RunView
from cockpit.ui.widgets.lines import Lines

# A plot of at least this height, heading and axis included, has strips under it.
HEIGHT_FOR_STRIPS = 14


class Curve(Lines):
    """Keeps its axes and its envelopes between draws, so that little changes on screen."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: RunView | None = None
        self._axis: Scale | None = None
        self._window: viewport.Window | None = None
        self._envelopes: dict[str, Envelope] = {}
        self._average: Smoothed | None = None
        self._marks: tuple[tuple[object, ...], Marks] | None = None
        self._columns = self._rows = 1
        self.smooth = False
        self.logarithmic = False
        self.cursor: int | None = None

    def update_view(self, view: RunView) -> None:
        self._view = view
        self.redraw()

    def turn_smoothing(self) -> None:
        """The curve smoothed, or as it is."""
        self.smooth = not self.smooth
        self._fresh()

    def turn_axis(self) -> None:
        """The losses on a logarithmic axis, or on a linear one."""
        self.logarithmic = not self.logarithmic
        self._fresh()

    def zoom(self, inwards: bool) -> None:
        """Half as many updates, or twice as many: around the cursor, else the newest."""
        turned = viewport.zoomed_in if inwards else viewport.zoomed_out
        self._window = turned(self._window, self.cursor, self._newest)
        self._fresh()

    def show_all(self) -> None:
        """The whole run."""
        self._window = None
        self._fresh()

    def turn_cursor(self) -> None:
        """A cursor on the newest update that is shown, or none."""
        if self.cursor is not None or self._view is None or not self._view.state.losses:
            self.cursor = None
        else:
            _, end = self._bounds()
            self.cursor = with_loss(self._view.state.losses, min(end, self._newest))
        self.redraw()

    def move(self, right: bool) -> None:
        """The cursor by a cell, if there is one; the window by a quarter of it, otherwise."""
        way = 1 if right else -1
        if self.cursor is None or self._view is None:
            self._window = viewport.moved(self._window, way, self._newest)
            self._fresh()
            return
        start, end = self._bounds()
        a_cell = max(1, round((end - start) / self._columns))
        self.cursor = stepped(self._view.state.losses, self.cursor, way * a_cell)
        before = self._window
        self._window = viewport.with_update(self._window, self.cursor, self._newest)
        if self._window != before:
            self._axis = None
        self.redraw()

    def _fresh(self) -> None:
        """Draws anew: an axis stays put while a run goes on, not when something else is shown."""
        self._axis = None
        self.redraw()

    @property
    def has_points(self) -> bool:
        return self._view is not None and bool(self._view.state.losses)

    @property
    def zoomed(self) -> bool:
        return self._window is not None

    @property
    def _newest(self) -> int:
        if self._view is None:
            return 1
        state = self._view.state
        validated = state.validations[-1].update if state.validations else 0
        return max(state.update, validated, 1)

    def _bounds(self) -> tuple[int, int]:
        if self._window is not None:
            return self._window.bounds(self._newest)
        return 0, reach(self._newest, self._view.state.updates if self._view else None)

    def build(self, width: int, height: int) -> Sequence[Line]:
        columns = width - LABEL_WIDTH - 2
        strips = 2 if height >= HEIGHT_FOR_STRIPS else 0
        rows = height - 3 - strips
        if self._view is None or columns < 10 or rows < 2:
            return ()
        if rows != self._rows:
            self._axis = None  # its ticks are as many as there was room for
        self._columns, self._rows = columns, rows
        start, end = self._bounds()
        curve = self._curve(start, end)
        envelope = self._follow("loss", curve, start, end)
        marks = self._marks_between(envelope)
        head = self._head(marks, curve, width)
        extent = self._extent(envelope, marks)
        if extent is None:
            return (head, *_waiting(self._view, columns, rows))
        follow_data = follow_log if self.logarithmic and extent[0] > 0 else follow
        self._axis = follow_data(self._axis, *extent, about=max(3, rows // 3))
        cursor = self.cursor if self.cursor is not None and start <= self.cursor <= end else None
        grid = Grid(columns, rows)
        lines = plot_lines(envelope, marks, self._axis, grid, cursor)
        return (head, *lines, *(self._strips(start, end) if strips else ()))

    def _curve(self, start: int, end: int) -> Sequence[Point]:
        """The points that are drawn: the losses, or their average."""
        assert self._view is not None
        losses = self._view.state.losses
        if not self.smooth:
            return losses
        updates = smoothing.updates_for(end - start)
        if self._average is None or self._average.updates != updates:
            self._average = Smoothed(updates)
        self._average.follow(losses)
        return self._average.points

    def _follow(self, name: str, points: Sequence[Point], start: int, end: int) -> Envelope:
        """The envelope of that name, kept as long as it is of the same thing."""
        kind = (" smooth" if name == "loss" and self.smooth else "", " zoomed" * self.zoomed)
        key = name + "".join(kind)
        wanted = (start, end, self._columns * 2)
        kept = self._envelopes.get(key)
        if kept is None or (kept.start, kept.end, kept.dots) != wanted:
            kept = self._envelopes[key] = Envelope(end, self._columns * 2, start)
        kept.follow(points)
        return kept

    def _marks_between(self, envelope: Envelope) -> Marks:
        """The marks that show; looked for again only once there is one more, or another window."""
        assert self._view is not None
        state = self._view.state
        newest = [found[-1] if found else None for found in (state.validations, state.checkpoints)]
        key = (envelope.start, envelope.end, envelope.dots, *newest, len(state.recoveries))
        if self._marks is None or self._marks[0] != key:
            found = marks_of(state, envelope.start, envelope.end)
            self._marks = key, thinned(found, envelope.column)
        return self._marks[1]

    def _extent(self, envelope: Envelope, marks: Marks) -> tuple[float, float] | None:
        """Lowest and highest of what is drawn; of the positive ones for a logarithmic axis."""
        found = (envelope.positive_extent() if self.logarithmic else None) or envelope.extent()
        values = [loss for _, loss in marks.validations] + list(found or ())
        if self.logarithmic:
            values = [value for value in values if value > 0] or values
        return (min(values), max(values)) if values else None

    def _head(self, marks: Marks, curve: Sequence[Point], width: int) -> Line:
        assert self._view is not None
        kind = [word for word, on in (("log", self.logarithmic), ("zoomed", self.zoomed)) if on]
        title = line(("Loss", "strong"), (f" {', '.join(kind)}" if kind else "", "label"))
        state = self._view.state
        averages = curve if self.smooth else ()
        if self.cursor is not None and (found := read(state, self.cursor, averages)) is not None:
            return heading(title, in_words(found), width)
        last = state.last.loss if state.last else None
        how = ""
        if self.smooth and self._average is not None:
            last = curve[-1][1] if curve else None
            how = f" smoothed over {self._average.updates}"
        room = width - width_of(title) - 9
        return heading(title, legend(state, marks, last, how, room), width)

    def _strips(self, start: int, end: int) -> list[Line]:
        assert self._view is not None
        state = self._view.state
        lines = []
        for name, points in (("lr", state.learning_rates), ("grad", state.grad_norms)):
            envelope = self._follow(name, points, start, end)
            newest = points[-1][1] if points else None
            lines.append(strip(name, newest, envelope, self._columns))
        return lines


def _waiting(view: RunView, columns: int, rows: int) -> list[Line]:
    text = "The curve starts with the first update." if view.state.active else "No update was made."
    pad = " " * max(0, (columns - len(text)) // 2 + LABEL_WIDTH)
    return [*[()] * (rows // 2), line((pad + text, "label"))]
