"""Which updates a plot shows: all of them, or a window that is zoomed into and moved."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_SPAN = 10
# A window moves by this part of itself, by hand and when it follows the run: in strides, because
# every move repaints the whole plot.
STRIDES = 4


@dataclass(frozen=True, slots=True)
class Window:
    """``span`` updates from ``start``; one that ``follows`` moves on with the newest update."""

    start: int
    span: int
    follows: bool = False

    def bounds(self, newest: int) -> tuple[int, int]:
        """The first and the last update it shows."""
        if not self.follows:
            return self.start, self.start + self.span
        stride = max(1, self.span // STRIDES)
        end = max(self.span, -(-newest // stride) * stride)
        return end - self.span, end


def zoomed_in(window: Window | None, about: int | None, newest: int) -> Window | None:
    """Half as many updates: around ``about``, or the newest of those that were shown."""
    first, last = (0, newest) if window is None else window.bounds(newest)
    span = (last - first) // 2
    if span < LEAST_SPAN:
        return window
    if about is None and last >= newest:
        return Window(0, span, follows=True)
    middle = last - span // 2 if about is None else about
    return _placed(middle - span // 2, span, newest)


def zoomed_out(window: Window | None, about: int | None, newest: int) -> Window | None:
    """Twice as many updates; None where that is all of them."""
    if window is None or 2 * window.span >= newest:
        return None
    if window.follows:
        return Window(0, 2 * window.span, follows=True)
    middle = window.start + window.span // 2 if about is None else about
    return _placed(middle - window.span, 2 * window.span, newest)


def moved(window: Window | None, strides: int, newest: int) -> Window | None:
    """``strides`` to the right, to the left if negative; at the newest update it follows."""
    if window is None:
        return None
    step = max(1, window.span // STRIDES)
    start, end = window.bounds(newest)
    if strides > 0 and end >= newest:
        return Window(0, window.span, follows=True)
    return _placed(start + strides * step, window.span, newest)


def with_update(window: Window | None, update: int, newest: int) -> Window | None:
    """``window`` moved as little as needed to show ``update``."""
    if window is None:
        return None
    start, end = window.bounds(newest)
    if start <= update <= end:
        return window
    step = max(1, window.span // STRIDES)
    start = update - step if update < start else update + step - window.span
    return _placed(start, window.span, newest)


def _placed(start: int, span: int, newest: int) -> Window:
    return Window(max(0, min(start, newest - span)), span)
