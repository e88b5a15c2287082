"""Choosing a run: everything with the keyboard, every mistake shown where it is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual import events

from cockpit.core.plan import RunPlan
from cockpit.embedded import demo_data_path, nano_path
from cockpit.system import dataset, preflight, preflight_data, run_dir
from cockpit.ui.app import CockpitApp
from cockpit.ui.screens.choose import ChooseScreen
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.model_list import ModelList
from cockpit.ui.widgets.plan_form import PlanForm
from tests.ui.conftest import demo_plan, opened, screen_text, until, until_gone, until_shown

KEY_FIELDS = (
    "data", "profile", "fine_tune_type", "num_layers", "rank", "batch_size",
    "grad_accumulation_steps", "max_seq_length", "epochs", "iters", "learning_rate",
    "grad_checkpoint", "mask_prompt",
)  # fmt: skip


def row_of(text: str, field: str) -> str:
    return next(line for line in text.splitlines() if line[30:].strip("✗▌ ").startswith(field))


async def test_a_first_start_is_ready_to_launch_at_80_by_24() -> None:
    async with opened() as pilot:
        text = await until_shown(
            pilot, "● nano", "ready to launch", "rough estimate", "GB budget: fits", "^r Launch",
            "? Keys", "q Quit", "400 train, 40 valid", "this-machine", *KEY_FIELDS,
        )  # fmt: skip
        assert len(text.splitlines()) == 24


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_every_panel_is_inside_every_terminal(size: tuple[int, int]) -> None:
    async with opened(size=size) as pilot:
        await until_shown(pilot, "ready to launch")
        for panel in pilot.app.screen.query(Lines):
            assert panel.size.width > 0 and panel.size.height > 0, panel
            assert pilot.app.screen.region.contains_region(panel.region), panel


async def test_models_of_the_cache_and_of_folders_are_listed(tmp_path: Path) -> None:
    snapshot = tmp_path / "hub/models--org--tiny/snapshots/abc"
    for folder in (snapshot, tmp_path / "models/mine"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(nano_path())
    (tmp_path / "hub/models--org--tiny/refs").mkdir()
    (tmp_path / "hub/models--org--tiny/refs/main").write_text("abc")
    async with opened() as pilot:
        await until_shown(pilot, "nano", "org/tiny", "models/mine")


async def test_typing_narrows_the_list_and_down_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in ("alpha", "beta"):
        (tmp_path / "models" / name).symlink_to(nano_path())
    async with opened() as pilot:
        await until_shown(pilot, "models/alpha", "models/beta")
        await pilot.press("slash", *"bet")
        await until_gone(pilot, "models/alpha")
        await pilot.press("down")
        assert pilot.app.focused is pilot.app.screen.query_one(ModelList)
        picked = pilot.app.screen.query_one(ModelList).picked
        assert picked is not None and picked.name.endswith("models/beta")


async def test_a_hub_name_can_be_typed() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "● nano")
        await pilot.press("slash", *"mlx-community/SmolLM-135M-4bit", "enter")
        await until_shown(pilot, "hub", "data: name a folder with train.jsonl")
        picked = pilot.app.screen.query_one(ModelList).picked
        assert picked is not None and picked.name == "mlx-community/SmolLM-135M-4bit"


async def test_typing_finds_what_the_catalogue_lists_and_its_memory_is_forecast() -> None:
    async with opened(size=(120, 40)) as pilot:
        await until_shown(pilot, "● nano", "ready to launch")
        await pilot.press("slash", *"llama 3.2 1b", "enter")
        await until_shown(pilot, "Llama-3.2-1B-Instruct-4bit hub", "2 found")
        picked = pilot.app.screen.query_one(ModelList).picked
        assert picked is not None and picked.name == "mlx-community/Llama-3.2-1B-Instruct-4bit"
        await pilot.press("tab", "home", "enter", *str(demo_data_path()), "enter")
        await until_shown(pilot, "GB budget")


async def test_a_model_that_does_not_exist_is_refused_with_a_remedy(tmp_path: Path) -> None:
    async with opened(size=(120, 40)) as pilot:
        await until_shown(pilot, "● nano", "ready to launch")
        await pilot.press("slash", *str(tmp_path / "nowhere"), "enter", "tab", "slash")
        await pilot.press("tab", "home", "enter", *str(tmp_path), "enter")
        await until_shown(pilot, "There is no such model")
        await pilot.press("ctrl+r")
        await until_shown(pilot, "✗ There is no such model", "→")
        assert run_dir.all_runs() == []


async def test_a_field_is_edited_in_place_and_checked_as_it_is_typed() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("tab", *["down"] * KEY_FIELDS.index("batch_size"), "enter", "x")
        text = await until_shown(pilot, "✗ batch_size", "batch_size: must be a whole number")
        assert "ready to launch" not in text
        await pilot.press("backspace", "enter")
        await until_shown(pilot, "ready to launch")


async def test_escape_leaves_a_field_as_it_was() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("tab", *["down"] * KEY_FIELDS.index("rank"), "enter", *"99", "escape")
        await pilot.pause()
        form = pilot.app.screen.query_one(PlanForm)
        assert form.draft.text("rank") == "8" and not form.editing


async def test_a_figure_typed_on_a_row_begins_its_edit() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("tab", *["down"] * KEY_FIELDS.index("max_seq_length"), *"64", "enter")
        await until(pilot, lambda: row_of(screen_text(pilot), "max_seq_length").split()[-1] == "64")


async def test_arrows_step_through_values() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("tab", *["down"] * KEY_FIELDS.index("fine_tune_type"), "right")
        await until_shown(pilot, "‹ dora ›")
        await pilot.press("left", "left")
        await until_shown(pilot, "‹ full ›")


async def test_epochs_set_the_iterations() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "400 train")
        await pilot.press("tab", *["down"] * KEY_FIELDS.index("epochs"), *"3", "enter")
        await until(pilot, lambda: "300" in row_of(screen_text(pilot), "iters"))
        assert "from epochs" in row_of(screen_text(pilot), "iters")


async def test_all_fields_are_one_key_away() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("tab", "f", "end")
        await until_shown(pilot, "Plan, all fields", "text_feature")
        await pilot.press("f")
        await until_gone(pilot, "text_feature")


async def test_more_layers_than_the_model_has_are_shown_at_their_field() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("tab", *["down"] * KEY_FIELDS.index("num_layers"), *"99", "enter")
        await until_shown(pilot, "✗ num_layers")


async def test_a_broken_line_of_data_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    good = json.dumps({"text": "one example"})
    (folder / "train.jsonl").write_text(f"{good}\n{good}\n{{not json\n")
    async with opened(size=(140, 40)) as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("tab", "home", "enter", "ctrl+u", *str(folder), "enter")
        await until_shown(pilot, "✗ data", "line 3")
        await pilot.press("ctrl+r")
        await until_shown(pilot, "c Copy", "line 3")
        assert run_dir.all_runs() == []


async def test_a_folder_is_completed_while_it_is_typed(tmp_path: Path) -> None:
    (tmp_path / "my-dataset").mkdir()
    async with opened(size=(120, 40)) as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("tab", "home", "enter", "ctrl+u", *"./my")
        editor = pilot.app.screen.query_one("#editor")
        await until(pilot, lambda: editor._suggestion == "./my-dataset")  # type: ignore[attr-defined]
        await pilot.press("right", "enter")
        form = pilot.app.screen.query_one(PlanForm)
        await until(pilot, lambda: form.draft.text("data") == "./my-dataset")


async def test_another_profile_changes_the_budget() -> None:
    async with opened(size=(120, 40)) as pilot:
        text = await until_shown(pilot, "ready to launch", "budget")
        before = next(line for line in text.splitlines() if "budget:" in line)
        await pilot.press("tab", "down", "right")
        await until(pilot, lambda: "this-machine" not in row_of(screen_text(pilot), "profile"))
        await until(
            pilot, lambda: "budget:" in screen_text(pilot) and before not in screen_text(pilot)
        )


async def test_a_given_plan_is_where_the_form_starts() -> None:
    app = CockpitApp("choose", demo_plan(batch_size=2, iters=40))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ChooseScreen))
        text = await until_shown(pilot, "ready to launch")
        assert row_of(text, "batch_size").split()[-1] == "2"
        assert "40" in row_of(text, "iters")


async def test_no_key_is_lost_however_fast_it_is_typed() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        form = pilot.app.screen.query_one(PlanForm)
        form.focus()
        await until(pilot, lambda: form.has_focus)
        form.move_to(KEY_FIELDS.index("iters"))
        for key in "5000":
            pilot.app.post_message(events.Key(key, key))
        pilot.app.post_message(events.Key("enter", "\r"))
        await until(pilot, lambda: form.draft.text("iters") == "5000" and not form.editing)


async def test_warnings_are_shown_and_do_not_keep_from_launching(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "train.jsonl").write_text((json.dumps({"text": "an example"}) + "\n") * 8)
    plan = demo_plan(data=str(folder), mask_prompt=False)
    for size in ((80, 24), (120, 40)):
        async with CockpitApp("choose", plan).run_test(size=size) as pilot:
            text = await until_shown(pilot, "✓ ready to launch", f"! {tmp_path.parent}")
            assert "✗" not in text
            await pilot.press("e")
            # Where its lines break depends on the folder's length.
            words = ("no examples in", "valid.jsonl", "so no", "validation", "measured")
            await until_shown(pilot, "Before you launch", *words)


async def test_what_is_wrong_with_the_plan_as_a_whole_is_said_in_full() -> None:
    async with opened(plan=demo_plan(iters=40)) as pilot:
        await until_shown(pilot, "ready to launch")
        form = pilot.app.screen.query_one(PlanForm)
        form.focus()
        form.move_to(KEY_FIELDS.index("grad_accumulation_steps"))
        await pilot.press("enter", "ctrl+u", *"99999999", "enter")
        await until_shown(pilot, "✗ iters (40) is less than", "not one update", "e Explain")
        await pilot.press("e")
        await until_shown(pilot, "Before you launch", "✗ iters (40) is less than")


async def test_the_learning_rate_says_when_a_schedule_decides() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        assert "(lr_schedule)" in row_of(screen_text(pilot), "learning_rate")
        await pilot.press("tab", *["down"] * KEY_FIELDS.index("learning_rate"))
        await until_shown(pilot, "learning_rate: not used, the rate follows lr_schedule")


async def test_unchanged_data_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    examined: list[object] = []
    inspect, examine = dataset.inspect, preflight.examine
    monkeypatch.setattr(dataset, "inspect", lambda *a: read.append(a[0]) or inspect(*a))

    def seen(plan: RunPlan, **how: bool) -> preflight.Preflight:
        examined.append(plan)
        return examine(plan, **how)

    monkeypatch.setattr(preflight, "examine", seen)
    preflight_data._inspected.cache_clear()
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("tab", *["down"] * KEY_FIELDS.index("rank"))
        for key in ("right", "right", "left"):
            before = len(examined)
            await pilot.press(key)
            await until(pilot, lambda before=before: len(examined) > before)
            await until_gone(pilot, "checking…")
    assert len(read) == 1
