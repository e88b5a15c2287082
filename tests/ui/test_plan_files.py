"""Plans are kept: in files, as the last one launched, and as a command of mlx-lm."""

from __future__ import annotations

from pathlib import Path

from cockpit.system import plan_file
from cockpit.ui import plan_store
from cockpit.ui.folder_suggester import complete
from cockpit.ui.widgets.plan_form import PlanForm
from tests.ui.conftest import demo_plan, opened, until, until_shown

WIDE = (120, 40)


async def test_a_plan_is_saved_and_opened_again(tmp_path: Path) -> None:
    async with opened(plan=demo_plan(batch_size=2, iters=40)) as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("w")
        await until_shown(pilot, "Save the plan", "plan.toml")
        await pilot.press("ctrl+u", *"./kept/mine", "enter")
        await until(pilot, lambda: (tmp_path / "kept/mine.toml").exists())
        await pilot.press("w", "enter")
        await until_shown(pilot, "Write over that file?")
        await pilot.press("n")
    kept = plan_file.read(tmp_path / "kept" / "mine.toml")
    assert kept == demo_plan(batch_size=2, iters=40)
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("o", "ctrl+u", *"kept/mine.toml", "enter")
        form = pilot.app.screen.query_one(PlanForm)
        await until(pilot, lambda: form.draft.text("iters") == "40")
        assert form.draft.plan("nano") == kept


async def test_a_file_that_is_no_plan_is_named_and_the_form_stays(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('model = "nano"\nbatchsize = 3\n')
    async with opened(size=WIDE) as pilot:
        await until_shown(pilot, "ready to launch")
        before = pilot.app.screen.query_one(PlanForm).draft.plan("nano")
        await pilot.press("o", "ctrl+u", *"bad.toml", "enter")
        await until_shown(pilot, "bad.toml", "did you mean 'batch_size'?")
        await pilot.press("escape")
        assert pilot.app.screen.query_one(PlanForm).draft.plan("nano") == before


async def test_the_form_starts_from_the_plan_launched_last() -> None:
    plan_store.remember(demo_plan(batch_size=2, iters=44))
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        form = pilot.app.screen.query_one(PlanForm)
        await until(pilot, lambda: form.draft.text("iters") == "44")
        assert form.draft.plan("nano") == demo_plan(batch_size=2, iters=44)


async def test_a_last_plan_that_cannot_be_read_is_no_hindrance(home: Path) -> None:
    home.mkdir()
    (home / plan_store.LAST).write_text("= broken")
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch", "nano")


async def test_the_same_is_copied_as_a_command_of_mlx_lm() -> None:
    async with opened() as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("y")
        await until(pilot, lambda: pilot.app.clipboard)
        assert "mlx_lm.lora --train --model /" in pilot.app.clipboard


def test_a_home_folder_of_nobody_is_a_folder_called_so() -> None:
    assert plan_store.path_of("~nobody-of-that-name/plan").name == "plan.toml"
    assert complete("~nobody-of-that-name/") is None
