"""Presets in Choose: what each would change, taken by one key and taken back by another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cockpit.embedded import demo_data_path
from cockpit.system import timings
from cockpit.ui import preset_offers
from cockpit.ui.plan_draft import PlanDraft
from cockpit.ui.preset_offers import Offer
from cockpit.ui.screens.choose import ChooseScreen
from cockpit.ui.screens.preset_dialog import PresetDialog
from tests.ui.conftest import demo_plan, opened, screen_text, until, until_gone, until_shown


def offered(draft: PlanDraft, model: str = "nano") -> dict[str, Offer]:
    return {offer.preset.name: offer for offer in preset_offers.offers(draft, model)}


def changed(offer: Offer) -> dict[str, str]:
    return {name: after for name, _, after in offer.changes}


async def test_a_preset_is_seen_taken_and_taken_back() -> None:
    async with opened() as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, ChooseScreen)
        await until_shown(pilot, "ready to launch", "2 epochs of", "p Presets")
        before, text = screen.draft.plan("nano"), screen_text(pilot)
        assert "u Undo" not in text
        await pilot.press("p")
        await until_shown(
            pilot, "Quick test", "Overnight", "8 GB Mac", "18 GB Mac", "iters 200 → 20",
            "Model, data and everything else stay", "enter Take it",
        )  # fmt: skip
        await pilot.press("down", "j")
        await until_shown(pilot, "rank 8 → 32", "optimizer adam → adamw")
        await pilot.press("enter")
        await until_shown(pilot, "u Undo", "468 updates of 128", "150 epochs")
        after = screen.draft.plan("nano")
        assert after.iters == 15_000 and after.lora_parameters.rank == 32
        assert (after.model, after.data) == (before.model, before.data)
        await pilot.press("u")
        await until(pilot, lambda: screen.draft.plan("nano") == before)
        await pilot.press("u")
        await until(pilot, lambda: screen.draft.plan("nano") == after)


async def test_leaving_the_list_changes_nothing() -> None:
    async with opened() as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, ChooseScreen)
        await until_shown(pilot, "ready to launch")
        before = screen.draft.plan("nano")
        for key in ("escape", "p"):
            await pilot.press("p")
            await until_shown(pilot, "Quick test")
            await pilot.press(key)
            await until_gone(pilot, "Quick test")
        assert screen.draft.plan("nano") == before and "u Undo" not in screen_text(pilot)


@pytest.mark.parametrize("size", [(80, 24), (40, 15), (20, 5)])
async def test_the_list_is_readable_in_a_small_terminal(size: tuple[int, int]) -> None:
    async with opened(size=size) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, ChooseScreen))
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, PresetDialog))
        await until_shown(pilot, "Quick")
        await pilot.press("end")
        await until_shown(pilot, "18 GB")


def test_a_night_is_as_long_as_the_known_pace_makes_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.jsonl").write_text((json.dumps({"text": "some words"}) + "\n") * 4000)
    plan = demo_plan(data=str(data), mask_prompt=False, batch_size=4)
    draft = PlanDraft(plan)
    draft.train_examples = 4000
    unknown = offered(draft)["overnight"]
    assert changed(unknown)["epochs"] == "3" and "no run like it was timed yet" in unknown.note
    assert unknown.draft.epochs_lead
    timings.remember(plan, 0.9, updates=10)
    known = offered(draft)["overnight"]
    assert changed(known)["iters"] == str(8 * 3600 * 0.9 / 0.9 / 4).partition(".")[0]
    assert known.note == "8 hours at 3.6 s an update"
    assert changed(known)["on_oom"] == "auto"


def test_epochs_of_a_preset_follow_data_that_are_named_later() -> None:
    draft = PlanDraft(demo_plan(batch_size=2))
    offer = offered(draft)["mac-18gb-short"]
    assert changed(offer)["epochs"] == "3" and "iters" not in changed(offer)
    draft.take(offer.draft)
    draft.train_examples = 400
    assert draft.plan("nano").iters == 300


def test_a_draft_with_mistakes_can_still_take_a_preset() -> None:
    draft = PlanDraft(demo_plan())
    draft.set("batch_size", "many")
    draft.set("data", "")
    for offer in offered(draft).values():
        assert draft.text("data") == offer.draft.text("data") == ""
    assert offered(draft)["mac-8gb-night"].draft.text("batch_size") == "4"


def test_a_copy_of_a_draft_is_its_own() -> None:
    draft = PlanDraft(demo_plan())
    other = draft.copy()
    other.set("rank", "64")
    assert draft.differences(other) == [("rank", "8", "64")]
    draft.take(other)
    assert draft.text("rank") == "64" and draft.differences(other) == []


def test_fields_set_by_a_preset_stay_with_another_model() -> None:
    draft = PlanDraft(demo_plan())
    draft.take(offered(draft)["mac-8gb-night"].draft)
    draft.rebase(demo_plan(data=str(demo_data_path())))
    assert draft.text("rank") == "32" and draft.text("iters") == "15000"
