"""Machines to plan for: picked, copied, changed and saved, and never a shipped one written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.system.hardware import known_profiles, profile_folders
from cockpit.ui.profile_draft import FIELDS, ProfileDraft
from cockpit.ui.screens.profiles import ProfilesScreen
from tests.ui.conftest import opened, screen_text, until, until_shown


@pytest.fixture
def air() -> HardwareProfile:
    return known_profiles().get("m2-air-8")


async def test_a_shipped_profile_is_copied_changed_saved_and_planned_for(home: Path) -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("m")
        await until_shown(pilot, "Machine to plan for", "m2-air-8", "5.73 GB")
        await pilot.press("down", "c")
        await until_shown(pilot, "my-m2-air-8", "changed")
        await pilot.press(*["down"] * FIELDS.index("ram"), "enter", "ctrl+u", *"16 gigs")
        await until_shown(pilot, "✗ ram", 'write it like "8 GiB"', "(^s Save)")
        await pilot.press(*["backspace"] * 4, *"GiB", "enter")
        await until_shown(pilot, "budget   11.5 GB")
        await pilot.press("ctrl+s")
        await until_shown(pilot, "* my-m2-air-8")
        await pilot.press("enter")
        await until_shown(pilot, "‹ my-m2-air-8 ›", "11.5 GB budget")
    saved = known_profiles().get("my-m2-air-8")
    assert saved.ram_bytes == 16 * 2**30 and saved.chip == "Apple M2"
    assert [path.name for path in (home / "profiles").iterdir()] == ["my-m2-air-8.toml"]


async def test_a_profile_of_ones_own_is_written_over_only_after_a_yes(air: HardwareProfile) -> None:
    draft = ProfileDraft(air, profile_folders())
    draft.copy()
    draft.save()
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("m")
        await until_shown(pilot, "* my-m2-air-8")
        screen = pilot.app.screen
        assert isinstance(screen, ProfilesScreen)
        await pilot.press("down", "down", "tab", "down", "enter", *" (mine)", "enter")
        assert screen.draft.of == "my-m2-air-8" and screen.draft.changed
        await pilot.press("tab", "down")
        await until_shown(pilot, "Save the changes first")
        assert screen.draft.changed
        await pilot.press("ctrl+s")
        await until_shown(pilot, "Write over my-m2-air-8?")
        await pilot.press("n")
        assert known_profiles().get("my-m2-air-8").title == air.title
        await pilot.press("ctrl+s")
        await until_shown(pilot, "Write over my-m2-air-8?")
        await pilot.press("y")
        await until(pilot, lambda: known_profiles().get("my-m2-air-8").title.endswith("(mine)"))


async def test_escape_asks_before_it_drops_changes() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("m")
        await until_shown(pilot, "Machine to plan for")
        await pilot.press("c", "tab", "escape")
        await until_shown(pilot, "Drop the changes?")
        await pilot.press("y")
        await until(pilot, lambda: "changed" not in screen_text(pilot))
        await pilot.press("escape")
        await until_shown(pilot, "› New run")


@pytest.mark.parametrize(
    ("name", "said"),
    [("m1-pro-16", "comes with the cockpit"), ("My Mac", "its name is its file's"), ("", "''")],
)
def test_a_name_that_cannot_be_saved_under_is_named(
    air: HardwareProfile, name: str, said: str
) -> None:
    draft = ProfileDraft(air, profile_folders())
    draft.set("name", name)
    found = draft.problem()
    assert found is not None and found[0] == "name" and said in found[1].message
    with pytest.raises(CockpitError):
        draft.save()


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("ram", "8"), ("backend", "tpu"), ("cpu_cores", "many"), ("working_set_fraction", "2"),
        ("title", ""), ("system_reserved", "9 GiB"),
    ],
)  # fmt: skip
def test_the_field_that_is_wrong_is_marked(air: HardwareProfile, field: str, text: str) -> None:
    draft = ProfileDraft(air, profile_folders())
    draft.set("name", "mine")
    draft.set(field, text)
    found = draft.problem()
    assert found is not None and found[0] == field
    assert draft.preview() is None
