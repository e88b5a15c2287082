"""The picture of the losses: a whole SVG with what the run measured in it, and nothing obeyed."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

from cockpit.ui.loss_svg import PLOT_HEIGHT, TOP, Curve, picture

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</title><script>x()</script>&"\x1b[31m\u202e\x00\ufffe'


def texts(root: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def points(line: ET.Element) -> list[tuple[float, float]]:
    pairs = (pair.split(",") for pair in line.attrib["points"].split())
    return [(float(x), float(y)) for x, y in pairs]


def test_it_has_axes_a_legend_a_title_and_words_for_who_does_not_see_it() -> None:
    curve = Curve("run-a", "training 1.000 at update 100", ((1, 3.0), (100, 1.0)), ((50, 2.0),))
    root = ET.fromstring(picture("Loss of run-a", [curve]))
    title, about = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and title.text == "Loss of run-a"
    assert about is not None and "training 1.000 at update 100" in (about.text or "")
    assert root.attrib["role"] == "img" and root.attrib["aria-labelledby"] == "title about"
    shown = texts(root)
    assert {"update", "loss (nats a token)", "0", "100", "1.0", "3.0"} <= set(shown)
    assert any(text.startswith("run-a") for text in shown)


def test_the_lines_go_through_what_was_measured() -> None:
    curve = Curve("a", train=((0, 3.0), (50, 2.0), (100, 1.0)), validations=((50, 2.5),))
    root = ET.fromstring(picture("t", [curve]))
    (train,) = root.iter(f"{SVG}polyline")
    (left, top), (middle, half), (right, bottom) = points(train)
    assert top < half < bottom <= TOP + PLOT_HEIGHT
    assert math.isclose(half, (top + bottom) / 2, abs_tol=0.11)
    assert math.isclose(middle, (left + right) / 2, abs_tol=0.11)
    circle = next(root.iter(f"{SVG}circle"))
    assert float(circle.attrib["cx"]) == middle
    assert math.isclose(float(circle.attrib["cy"]), top + (bottom - top) / 4, abs_tol=0.11)


def test_a_loss_that_is_no_number_breaks_the_line_and_not_the_picture() -> None:
    losses = (1.0, 1.5, math.nan, 2.0, math.inf, 3.0, 2.5)
    root = ET.fromstring(picture("t", [Curve("a", train=tuple(enumerate(losses)))]))
    assert [len(points(line)) for line in root.iter(f"{SVG}polyline")] == [2, 2]
    assert len(list(root.iter(f"{SVG}circle"))) == 1, "one point is a dot"


def test_runs_differ_by_more_than_colour() -> None:
    curves = [Curve(f"run-{i}", train=((1, 2.0), (9, 1.0 + i))) for i in range(6)]
    root = ET.fromstring(picture("t", curves))
    lines = list(root.iter(f"{SVG}polyline"))
    assert len({line.attrib["stroke"] for line in lines}) == 6
    assert len({line.get("stroke-dasharray", "") for line in lines}) == 6


def test_every_colour_of_a_line_or_a_text_can_be_read_on_white() -> None:
    curves = [Curve(f"r{i}", "about", ((1, 2.0), (2, 1.0)), ((2, 1.0),)) for i in range(8)]
    text = picture("t", curves)
    used = set(re.findall(r'<(?:polyline|circle|text|tspan)[^>]*?(?:stroke|fill)="(#\w+)"', text))
    shown = used - {"#fff"}  # what a circle is filled with
    assert len(shown) >= 8
    assert {colour for colour in shown if contrast(colour) < 4.5} == set()


def contrast(colour: str) -> float:
    """Against white, as WCAG counts it."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 1.05 / (0.05 + 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])


def test_hostile_names_are_text() -> None:
    root = ET.fromstring(picture(HOSTILE, [Curve(HOSTILE, HOSTILE, ((1, 1.0),))]))
    assert not list(root.iter(f"{SVG}script"))
    everything = "".join(root.itertext())
    assert "<script>" in everything
    assert not any(c in everything for c in "\x1b\u202e\x00\ufffe")


def test_a_run_without_a_loss_says_so() -> None:
    root = ET.fromstring(picture("t", [Curve("a"), Curve("b", train=((1, math.nan),))]))
    assert "No losses were recorded." in texts(root)
