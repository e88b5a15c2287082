"""Text stands out from its background by 4.5:1 at least (WCAG 2 AA), as it is painted.

Of the shipped themes, dark and light: the third has the terminal's own colours.
"""

from __future__ import annotations

import pytest
from rich.color import Color
from textual.color import Color as Shade
from textual.pilot import Pilot

from cockpit.ui.appearance import BRIGHT, DARK
from cockpit.ui.themes import COCKPIT, LIGHT
from tests.ui import recorded_runs as recorded
from tests.ui.conftest import opened, screen_text, until, until_shown
from tests.ui.test_colours import segments

LEAST = 4.5


def luminance(shade: Shade) -> float:
    """Relative, as WCAG 2 defines it."""
    parts = [value / 255 for value in shade.rgb]
    r, g, b = (v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: Shade, other: Shade) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def shade_of(colour: Color | None, otherwise: str) -> Shade:
    return Shade.parse(otherwise) if colour is None else Shade.from_rich_color(colour)


def faint(pilot: Pilot[None]) -> list[tuple[str, float]]:
    """What is written with too little contrast; lines and curves are no text."""
    found = []
    for segment in segments(pilot):
        if segment.style is None or not any(map(str.isalnum, segment.text)):
            continue
        theme = pilot.app.current_theme
        front = shade_of(segment.style.color, str(theme.foreground))
        back = shade_of(segment.style.bgcolor, str(theme.background))
        if (ratio := contrast(front, back)) < LEAST:
            found.append((segment.text.strip(), round(ratio, 2)))
    return found


@pytest.mark.parametrize("shades", [DARK, BRIGHT])
@pytest.mark.parametrize(
    ("start", "shows", "keys"),
    [
        ("going", ("● running", "120 of 200"), ("M", "M")),
        ("runs", ("✗ failed", "(X Delete)"), ("slash",)),
        ("choose", ("ready to launch",), ("slash",)),
        ("choose", ("ready to launch",), ("D",)),
    ],
)
async def test_text_stands_out(
    start: str,
    shows: tuple[str, ...],
    keys: tuple[str, ...],
    shades: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COCKPIT_THEME", shades)
    run = recorded.going()
    recorded.killed()
    async with opened(run if start == "going" else start, (120, 40)) as pilot:
        await until_shown(pilot, *shows)
        assert faint(pilot) == []
        for key in keys:
            before = screen_text(pilot)
            await pilot.press(key)
            await until(pilot, lambda before=before: screen_text(pilot) != before)
            assert faint(pilot) == []


async def test_light_is_a_key_away_and_is_remembered() -> None:
    async with opened("runs") as pilot:
        await until_shown(pilot, "No runs yet")
        await pilot.press("L")
        await until(pilot, lambda: pilot.app.theme == LIGHT.name)
    async with opened("runs") as pilot:
        assert pilot.app.theme == LIGHT.name


@pytest.mark.parametrize(("said", "theme"), [("0;15", LIGHT.name), ("15;0", COCKPIT.name)])
async def test_a_terminal_that_says_what_it_is_gets_it(
    said: str, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORFGBG", said)
    async with opened("runs") as pilot:
        assert pilot.app.theme == theme


def test_the_measure_is_the_standards() -> None:
    assert contrast(Shade.parse("#000"), Shade.parse("#fff")) == pytest.approx(21)
    assert contrast(Shade.parse("#777"), Shade.parse("#fff")) == pytest.approx(4.48, abs=0.01)
