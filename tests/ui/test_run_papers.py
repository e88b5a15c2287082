"""What is written about runs from their list: tags, a plan like theirs, exports."""

from __future__ import annotations

import json
from pathlib import Path

from cockpit.core import events as ev
from cockpit.system import tags
from cockpit.ui.screens.choose import ChooseScreen
from tests.ui.conftest import (
    demo_plan,
    opened,
    screen_text,
    started,
    until,
    until_gone,
    until_shown,
    write_run,
)  # fmt: skip
from tests.ui.listed_runs import finished_run, three_runs


async def test_tags_are_edited_in_a_line_and_an_empty_one_takes_them_away() -> None:
    oldest, _, newest = three_runs()
    async with opened("runs", (120, 40)) as pilot:
        await until_shown(pilot, "#night", "T Tag")
        await pilot.press("T", *"paper, try 2", "enter")
        await until_shown(pilot, "#paper #try #2")
        assert tags.read(newest) == ("paper", "try", "2")
        await pilot.press("end", "T")
        await until_shown(pilot, f"Tags of {oldest.name}", "esc Leave it")
        await pilot.press("ctrl+u", "escape")
        await until_gone(pilot, "Tags of")
        assert tags.read(oldest) == ("night",), "left as they were"
        await pilot.press("T", "ctrl+u", "enter")
        await until(pilot, lambda: tags.read(oldest) == ())
        await until_gone(pilot, "#night")


async def test_tags_edited_by_hand_appear_and_are_shown_as_text() -> None:
    run = finished_run()
    async with opened("runs", (120, 40)) as pilot:
        await until_shown(pilot, run.name)
        hostile = ["[bold]x[/]", "\x1b[2Jy", "\u202ez"]
        (run.path / tags.TAGS_NAME).write_text(json.dumps(hostile))
        text = await until_shown(pilot, "#[bold]x[/]")
        assert "\x1b" not in text and "\u202e" not in text
        (run.path / tags.TAGS_NAME).write_text("{damaged")
        await until_gone(pilot, "#[bold]x[/]")
        assert "✓ completed" in screen_text(pilot)


async def test_a_clone_is_the_plan_in_the_form_without_what_was_that_runs_own() -> None:
    plan = demo_plan(
        name="mine", learning_rate=3e-4, resume_adapter_file="old.safetensors", adapter_path="a"
    )
    write_run([started(), ev.Ended(status="completed", update=0)], plan=plan)
    async with opened("runs") as pilot:
        await until_shown(pilot, "✓ completed")
        await pilot.press("N")
        await until_shown(pilot, "› New run", "0.0003")
        form = pilot.app.screen
        assert isinstance(form, ChooseScreen)
        wanted = plan.with_changes(name=None, resume_adapter_file=None, adapter_path=None)
        assert form.draft.plan(form.model) == wanted


async def test_the_marked_runs_are_exported_and_the_whole_path_is_said(tmp_path: Path) -> None:
    three_runs()
    async with opened("runs", (200, 30)) as pilot:
        await until_shown(pilot, "✓ completed", "e Export")
        await pilot.press("space", "space")
        for ending, proposed in (("json", "csv"), ("svg", "json"), ("csv", "svg")):
            await pilot.press("e")
            await until_shown(pilot, "Export 2 marked runs", f"2-runs.{proposed}")
            await pilot.press("ctrl+u", *f"taken.{ending}", "enter")
            await until_shown(pilot, "Wrote", f"taken.{ending}")
            text = (tmp_path / f"taken.{ending}").read_text()
            assert "middle" in text and "best" in text and "worst" not in text


async def test_an_export_asks_before_it_writes_over_a_file(tmp_path: Path) -> None:
    run = finished_run()
    (tmp_path / "mine.csv").write_text("mine")
    async with opened("runs") as pilot:
        await until_shown(pilot, run.name)
        await pilot.press("e", "ctrl+u", *"mine.csv", "enter")
        await until_shown(pilot, "Write over that file?", str(tmp_path)[:30])
        await pilot.press("escape", "e", "ctrl+u", *"mine", "enter")
        await until_shown(pilot, "The ending of the file says no format", ".svg")
        assert (tmp_path / "mine.csv").read_text() == "mine"
        await pilot.press("escape", "e", "ctrl+u", *"mine.csv", "enter")
        await until_shown(pilot, "Write over that file?")
        await pilot.press("y")
        await until(pilot, lambda: (tmp_path / "mine.csv").read_text().startswith("run,update"))
