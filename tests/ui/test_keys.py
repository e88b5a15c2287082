"""Every action has a key, is in the palette, in the list of keys and in the key bar."""

from __future__ import annotations

import pytest
from textual.widgets import OptionList

from cockpit.ui.palette import available
from cockpit.ui.widgets.key_bar import KeyBar
from tests.ui.conftest import living_run, opened, screen_text, until, until_shown

PLACES = {
    "choose": ["Launch", "Find model", "All fields", "Runs", "Keys", "Commands", "Quit"],
    "runs": [
        "Attach", "Show", "Filter", "Sort", "Tag", "Clone", "Export",
        "New run", "Keys", "Commands", "Quit",
    ],
    "data": ["Folder", "Again", "Back", "Keys", "Commands", "Quit"],
    "run": [
        "Pause", "Stop", "Checkpoint", "Validate", "Try", "Log/samples", "Detach",
        "New run", "Runs", "Keys", "Commands", "Quit",
    ],
}  # fmt: skip


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_every_action_is_in_key_bar_list_of_keys_and_palette(place: str) -> None:
    run = living_run()
    start = {"run": run, "data": "choose"}.get(place, place)
    async with opened(start) as pilot:
        ready = {"choose": "ready to launch", "runs": run.name, "run": "20 of 100"}
        await until_shown(pilot, ready.get(place, "ready to launch"))
        if place == "data":
            await pilot.press("D")
            await until_shown(pilot, "› Data", "chat")
        bar = "\n".join(
            "".join(text for text, _ in row) for row in pilot.app.screen.query_one(KeyBar).lines
        )
        assert [label for label in PLACES[place] if label not in bar] == []
        actions = [binding.description for binding, _ in available(pilot.app.screen)]
        assert [label for label in PLACES[place] if label not in actions] == []

        await pilot.press("question_mark")
        await until(pilot, lambda: pilot.app.screen.query("#text"))
        listed = str(pilot.app.screen.query_one("#text").render())
        assert [label for label in PLACES[place] if label not in listed] == []
        await pilot.press("escape", "ctrl+p")
        await until(
            pilot, lambda: pilot.app.screen.query(OptionList) and "Quit" in screen_text(pilot)
        )


async def test_a_notice_does_not_cover_the_keys(place: str) -> None:
    run = living_run()
    async with opened({"run": run, "data": "choose"}.get(place, place)) as pilot:
        if place == "data":
            await until_shown(pilot, "ready to launch")
            await pilot.press("D")
            await until_shown(pilot, "› Data")
        pilot.app.notify(f"Something has {'happened to a run ' * 8}in the end.")
        await until_shown(pilot, "Something has", "in the end.", *PLACES[place])


async def test_a_palette_entry_does_what_its_key_does() -> None:
    living_run()
    async with opened("choose") as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("ctrl+p", *"Runs")
        await until_shown(pilot, "All runs: attach")
        await pilot.press("enter")
        await until_shown(pilot, "› Runs", "● running")


async def test_screens_are_reached_by_their_keys() -> None:
    async with opened("choose") as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("r")
        await until_shown(pilot, "No runs yet")
        await pilot.press("n")
        await until_shown(pilot, "› New run", "ready to launch")


async def test_letters_are_text_while_a_field_is_edited() -> None:
    async with opened("choose") as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("slash", *"qrn?")
        await until_shown(pilot, "qrn?")
        assert "Quit the cockpit" not in screen_text(pilot)
