"""The data screen: a set examined before it is trained on, from the choice of a run."""

from __future__ import annotations

import json
from pathlib import Path

from textual.widgets import Input

from cockpit.core.plan import RunPlan
from cockpit.embedded import demo_data_path
from cockpit.ui import data_view
from cockpit.ui.data_check import DataCheck, command
from cockpit.ui.spans import text_of
from tests.ui.conftest import opened, screen_text, until, until_gone, until_shown


def write(folder: Path, *lines: str) -> Path:
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(line + "\n" for line in lines))
    return folder


def chat(question: str, answer: str) -> str:
    turns = [("user", question), ("assistant", answer)]
    return json.dumps({"messages": [{"role": r, "content": c} for r, c in turns]})


async def test_the_chosen_data_is_examined_with_the_chosen_model() -> None:
    async with opened("choose") as pilot:
        await until_shown(pilot, "ready to launch", "D Data")
        await pilot.press("D")
        text = await until_shown(pilot, "✓ can be trained on", "x Example", "f Folder", "Back")
        assert str(demo_data_path())[-20:] in text
        train = next(row for row in text.splitlines() if row.startswith(" train "))
        assert train.split() == ["train", "400", "9,967", "25", "31", "32", "chat"]
        assert "128 is enough" in text
        assert "nano" in text
        await pilot.press("x")
        await until_shown(pilot, "A training example", "Arrr!")
        await pilot.press("escape", "r")
        await until_shown(pilot, "› Runs")
        await pilot.press("n")
        await until_shown(pilot, "› New run")


async def test_findings_are_explained_one_by_one(tmp_path: Path) -> None:
    rows = [chat(f"{i}?", f"{i}!") for i in range(60)]
    write(tmp_path / "broken", *rows, chat("a", "b<|im_end|>"), "{broken", chat("\x1b[2J", "x"))
    async with opened("choose") as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("D", "f")
        field = pilot.app.screen.query_one("#folder", Input)
        field.value = str(tmp_path / "broken")
        await pilot.press("enter")
        await until_shown(pilot, "✗ cannot be trained on as it is", "train.jsonl line 62")
        await until_shown(pilot, "invalid-json", "The line is not valid JSON")
        await pilot.press("j")
        await until_gone(pilot, "The line is not valid JSON")
        await until(pilot, lambda: " → " in screen_text(pilot))
        assert "\x1b" not in screen_text(pilot)


async def test_a_folder_that_is_not_there_is_said_in_a_dialog() -> None:
    async with opened("choose") as pilot:
        await until_shown(pilot, "ready to launch")
        await pilot.press("D", "f")
        pilot.app.screen.query_one("#folder", Input).value = "nowhere"
        await pilot.press("enter")
        await until_shown(pilot, "There is no such data folder", "nowhere")


def test_leaving_ends_the_examination(tmp_path: Path) -> None:
    check = DataCheck(command(str(write(tmp_path / "data", chat("a", "b"))), "", {}))
    check.cancel()
    try:
        check.run(lambda said: None)
    except Exception as error:
        assert "could not be examined" in str(error)
    assert check._child is not None
    assert check._child.returncode == -9


def test_the_command_says_what_the_form_says() -> None:
    texts = {"mask_prompt": "on", "batch_size": "2", "seed": ""}
    found = command("-odd folder", "nano", texts)
    assert found[-4:] == ["--data=-odd folder", "--model=nano", "--mask-prompt", "--batch-size=2"]
    assert RunPlan.model_fields.keys() >= texts.keys()


def test_the_overview_of_unknown_lengths_says_so() -> None:
    split = {"examples": 1, "lengths": None, "format": None}
    document = {
        "trainable": False, "model": None, "findings": [], "splits": {"train": split},
        "histogram": [], "recommended_max_seq_length": None, "truncation": [], "batching": None,
    }  # fmt: skip
    text = "\n".join(map(text_of, data_view.overview(document, 80)))
    assert text.count("n/a") == 5
