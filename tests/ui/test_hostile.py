"""Text from models, data, logs and names is shown, never obeyed."""

from __future__ import annotations

import pytest

from cockpit.core import events as ev
from cockpit.core.format import plain
from cockpit.errors import CockpitError
from tests.ui.conftest import (
    add_event,
    demo_plan,
    living_run,
    opened,
    screen_text,
    started,
    until,
    until_shown,
    write_run,
)  # fmt: skip

MARKUP = "[bold red]danger[/] [@click=app.quit]x[/] [link=http://evil]y"
CONTROL = "\x1b[2J\x1b]0;title\x07\x9b31m\x00\x08"
RIGHT_TO_LEFT = "\u202eevil\u202c \u200b\ufeff"
FORBIDDEN = [chr(c) for c in (*range(32), *range(127, 160)) if chr(c) != "\n"]
FORBIDDEN += ["\u202e", "\u202c", "\u200b", "\ufeff", "\u2066"]


def harmless(text: str) -> bool:
    return not any(character in text for character in FORBIDDEN)


@pytest.mark.parametrize("text", [CONTROL, RIGHT_TO_LEFT, "a\r\nb", "\ud800", "\u2028"])
def test_plain_leaves_nothing_to_obey(text: str) -> None:
    assert harmless(plain(text)) and "\n" not in plain(text)


def test_plain_leaves_ordinary_text_alone() -> None:
    assert plain("Größe 模型 ‹ok› 👍 a\tb") == "Größe 模型 ‹ok› 👍 a b"


async def test_a_hostile_run_is_shown_as_text() -> None:
    run = living_run()
    run.attempt(1).log.write_text(f"{MARKUP} {CONTROL} {RIGHT_TO_LEFT}\n")
    add_event(run, ev.Sampled(update=20, prompt=MARKUP + CONTROL, text=RIGHT_TO_LEFT + MARKUP))
    add_event(run, ev.Note(level="warning", message=CONTROL + MARKUP, remedy=RIGHT_TO_LEFT))
    async with opened(run, (120, 40)) as pilot:
        for _ in range(3):
            text = await until_shown(pilot, "[bold red]danger[/]", "[@click=app.quit]x[/]")
            assert harmless(text)
            await pilot.press("l")
            await pilot.pause()


async def test_a_hostile_failure_is_shown_as_text() -> None:
    end = ev.Ended(status="failed", update=1, title=MARKUP, message=CONTROL, remedy=RIGHT_TO_LEFT)
    async with opened(write_run([started(), end])) as pilot:
        await until_shown(pilot, "✗ failed", "e Explain")
        await pilot.press("e")
        text = await until_shown(pilot, "[bold red]danger[/]", "c Copy")
        assert harmless(text)


async def test_hostile_names_in_the_list_are_shown_as_text() -> None:
    run = write_run([started()], plan=demo_plan(model="org/[bold]x[/]\u202e\x1b[31m"))
    run.path.rename(run.path.parent / "run-[bold]x[bold]-\u202e-\x1b[31m")
    async with opened("runs", (120, 40)) as pilot:
        text = await until_shown(pilot, "run-[bold]x[bold]-", "org/[bold]x[/]")
        assert harmless(text)


async def test_hostile_errors_and_notices_are_shown_as_text() -> None:
    async with opened("runs") as pilot:
        pilot.app.show_error(CockpitError(MARKUP, CONTROL + MARKUP, RIGHT_TO_LEFT))  # type: ignore[attr-defined]
        text = await until_shown(pilot, "✗ [bold red]danger[/]")
        assert harmless(text)
        await pilot.press("escape")
        pilot.app.say(MARKUP + CONTROL)  # type: ignore[attr-defined]
        assert harmless(await until_shown(pilot, "[@click=app.quit]x[/]"))


async def test_hostile_text_typed_into_a_field_stays_text() -> None:
    async with opened("choose") as pilot:
        await until_shown(pilot, "nano", "fine_tune_type")
        await pilot.press("slash", *"./[b]x[")
        await until_shown(pilot, "./[b]x[")
        await pilot.press("down")
        await until(pilot, lambda: "✗" in screen_text(pilot))
        assert harmless(screen_text(pilot))
