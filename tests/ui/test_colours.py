"""Readable in truecolor, 256 and 16 colours and without any."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem
from rich.segment import Segment
from textual.pilot import Pilot

from cockpit.ui.widgets.model_list import ModelList
from tests.ui.conftest import living_run, opened, until, until_shown

TERMINALS = {
    "truecolor": {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    "256": {"TERM": "xterm-256color", "COLORTERM": ""},
    "16": {"TERM": "xterm", "COLORTERM": ""},
    "none": {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"},
}


def segments(pilot: Pilot[None]) -> list[Segment]:
    """What is painted; Textual's filters for the terminal's colours have been at it."""
    rows = pilot.app.screen._compositor.render_strips()
    return [segment for row in rows for segment in row if segment.text]


def as_sent(colour: Color | None, terminal: str) -> object:
    """The colour that is left of ``colour`` on that terminal."""
    systems = {"256": ColorSystem.EIGHT_BIT, "16": ColorSystem.STANDARD}
    if colour is None or colour.is_default:
        return "default"
    return colour.downgrade(systems[terminal]) if terminal in systems else colour


@pytest.fixture(params=TERMINALS)
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in TERMINALS[request.param].items():
        monkeypatch.setenv(name, value)
    return str(request.param)


async def test_state_is_told_by_glyph_and_word(terminal: str) -> None:
    async with opened(living_run()) as pilot:
        await until_shown(pilot, "● running", "20 of 100", "━", "n/a")


async def test_the_row_of_the_cursor_differs_from_the_others(terminal: str) -> None:
    async with opened() as pilot:
        await until(pilot, lambda: "ready to launch" in "".join(s.text for s in segments(pilot)))
        assert isinstance(pilot.app.focused, ModelList)
        cursor = next(s for s in segments(pilot) if "● nano" in s.text)
        other = next(s for s in segments(pilot) if "fine_tune_type" in s.text)
        assert cursor.text.startswith("▌") and cursor.style != other.style


async def test_text_and_background_are_never_the_same_colour(terminal: str) -> None:
    async with opened() as pilot:
        await until(pilot, lambda: "ready to launch" in "".join(s.text for s in segments(pilot)))
        written = [s for s in segments(pilot) if s.text.strip() and s.style and s.style.color]
        for segment in written:
            assert segment.style is not None
            front = as_sent(segment.style.color, terminal)
            back = as_sent(segment.style.bgcolor, terminal)
            assert front != back or front == "default", segment


async def test_no_color_sends_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TERMINALS["none"].items():
        monkeypatch.setenv(name, value)
    async with opened(living_run()) as pilot:
        await until_shown(pilot, "● running", "20 of 100")
        coloured = [
            segment
            for segment in segments(pilot)
            if segment.style is not None
            and any(c and not c.is_default for c in (segment.style.color, segment.style.bgcolor))
        ]
        assert coloured == []
