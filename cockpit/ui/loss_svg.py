"""The losses of one or more runs as an SVG: a plot to put into a report or a message.

Dark on white with contrast of 4.5:1 and more; runs differ by dashes as well as by colour, and
training from validation by shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from cockpit.core import format as fmt
from cockpit.ui.axes import Axis, axis_for

Points = tuple[tuple[int, float], ...]

WIDTH, PLOT_HEIGHT = 960, 400
LEFT, TOP, RIGHT, BELOW = 72, 76, 24, 56
LEGEND_ROW, MARGIN = 22, 16
# More validations than that are a line without marks.
MOST_MARKS = 80
VALIDATION_OF_ONE = "#a33600"
STYLES = (
    ("#0057b7", ""), ("#a33600", "7 3"), ("#00694b", "2 3"), ("#7b3294", "9 3 2 3"),
    ("#6b4e00", "4 4"), ("#a3155b", "1 4"), ("#006070", "12 4"), ("#444444", "6 2 2 2 2 2"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Curve:
    """One run's losses as (update, loss), by update. Names may hold anything: they are escaped."""

    name: str
    about: str = ""
    train: Points = ()
    validations: Points = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a point of the data is in the picture."""

    x: Axis
    y: Axis

    def of(self, point: tuple[int, float]) -> str:
        return f"{self.across(point[0]):.1f},{self.down(point[1]):.1f}"

    def across(self, update: float) -> float:
        return LEFT + self.x.share(update) * (WIDTH - LEFT - RIGHT)

    def down(self, loss: float) -> float:
        return TOP + (1 - self.y.share(loss)) * PLOT_HEIGHT


def picture(title: str, curves: Sequence[Curve]) -> str:
    """The SVG as text, with a title and a description for those who do not see it."""
    place = _place_of(curves)
    bottom = TOP + PLOT_HEIGHT
    height = bottom + BELOW + LEGEND_ROW * len(curves) + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="title about" '
        'font-family="system-ui, Helvetica, Arial, sans-serif" font-size="13" fill="#222">',
        f'<title id="title">{_text(title)}</title>',
        f'<desc id="about">{_text(_in_words(curves))}</desc>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="32" font-size="19" font-weight="600">{_text(title)}</text>',
        f'<text x="{LEFT}" y="56" fill="#555">{_text(_how_drawn(curves))}</text>',
    ]
    if place is None:
        nothing = "No losses were recorded."
        lines.append(f'<text x="{LEFT}" y="{TOP + 40}">{nothing}</text>')
    else:
        lines += [*_axes(place), *_curves(curves, place)]
    lines += _legend(curves, bottom + BELOW)
    return "\n".join([*lines, "</svg>", ""])


def _place_of(curves: Sequence[Curve]) -> _Place | None:
    points = [p for curve in curves for p in (*curve.train, *curve.validations)]
    losses = [loss for _, loss in points if math.isfinite(loss)]
    if not losses:
        return None
    updates = [update for update, _ in points]
    return _Place(axis_for(min(updates), max(updates), 8), axis_for(min(losses), max(losses), 6))


def _axes(place: _Place) -> Iterator[str]:
    right, bottom = WIDTH - RIGHT, TOP + PLOT_HEIGHT
    for tick in place.y.ticks:
        y = f"{place.down(tick):.1f}"
        yield f'<path d="M{LEFT} {y}H{right}" stroke="#ddd"/>'
        label = place.y.label(tick)
        yield f'<text x="{LEFT - 8}" y="{y}" dy="4" text-anchor="end">{label}</text>'
    for tick in place.x.ticks:
        if tick == int(tick):
            x = f"{place.across(tick):.1f}"
            yield f'<path d="M{x} {bottom}v5" stroke="#222"/>'
            yield f'<text x="{x}" y="{bottom + 20}" text-anchor="middle">{int(tick):,}</text>'
    yield f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#222"/>'
    middle = TOP + PLOT_HEIGHT / 2
    yield f'<text x="{(LEFT + right) / 2}" y="{bottom + 40}" text-anchor="middle">update</text>'
    yield (
        f'<text transform="translate(20 {middle}) rotate(-90)" text-anchor="middle">'
        "loss (nats a token)</text>"
    )


def _curves(curves: Sequence[Curve], place: _Place) -> Iterator[str]:
    for number, curve in enumerate(curves):
        colour, dashes = _style(number)
        for piece in _pieces(curve.train):
            yield _path(piece, place, colour, dashes, 1.3)
        measured = _validation_colour(number, curves)
        for piece in _pieces(curve.validations):
            yield _path(piece, place, measured, dashes, 2.2)
        shown = [p for p in curve.validations if math.isfinite(p[1])]
        if len(shown) <= MOST_MARKS:
            yield from (_mark(place.across(u), place.down(loss), measured) for u, loss in shown)


def _legend(curves: Sequence[Curve], top: float) -> Iterator[str]:
    for number, curve in enumerate(curves):
        colour, dashes = _style(number)
        y = top + LEGEND_ROW * number + LEGEND_ROW / 2
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        yield f'<path d="M{LEFT} {y}h30" stroke="{colour}" stroke-width="2"{dash}/>'
        if curve.validations:
            yield _mark(LEFT + 40, y, _validation_colour(number, curves))
        about = f'<tspan dx="10" fill="#555">{_text(curve.about)}</tspan>' if curve.about else ""
        yield f'<text x="{LEFT + 54}" y="{y}" dy="4">{_text(curve.name)}{about}</text>'


def _pieces(points: Points) -> Iterator[list[tuple[int, float]]]:
    """The curve, broken where a loss is not a number."""
    piece: list[tuple[int, float]] = []
    for point in points:
        if math.isfinite(point[1]):
            piece.append(point)
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _path(
    points: list[tuple[int, float]], place: _Place, colour: str, dashes: str, width: float
) -> str:
    if len(points) == 1:  # of which no line can be drawn
        x, y = place.of(points[0]).split(",")
        return f'<circle cx="{x}" cy="{y}" r="2" fill="{colour}"/>'
    corners = " ".join(place.of(point) for point in points)
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-linejoin="round"{dash}/>'
    )


def _mark(x: float, y: float, colour: str) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#fff" stroke="{colour}" stroke-width="2"/>'
    )


def _style(number: int) -> tuple[str, str]:
    return STYLES[number % len(STYLES)]


def _validation_colour(number: int, curves: Sequence[Curve]) -> str:
    return VALIDATION_OF_ONE if len(curves) == 1 else _style(number)[0]


def _how_drawn(curves: Sequence[Curve]) -> str:
    validated = any(curve.validations for curve in curves)
    return "training loss as a line" + (", validation loss as circles" if validated else "")


def _in_words(curves: Sequence[Curve]) -> str:
    told = [f"{curve.name}: {curve.about or 'no losses'}" for curve in curves]
    return "Loss over updates. " + ". ".join(told) + "."


def _text(text: str) -> str:
    return escape(fmt.plain(text))
