"""The Try screen on a run that was really trained: both models answer in a process of their own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from cockpit.results.messages import Asked, Piece, Ready, Result
from cockpit.results.settings import Settings
from cockpit.system import process, run_dir
from cockpit.system.run_dir import RunDir
from cockpit.ui.exchange import Exchange, layout, wrapped
from cockpit.ui.recall import Recall
from cockpit.ui.screens.try_ import TryScreen
from cockpit.ui.spans import text_of
from cockpit.ui.trying import Subject, Talk
from tests.cli.results_run import finished_run
from tests.ui.conftest import living_run, opened, screen_text, until, until_gone, until_shown
from tests.ui.test_hostile import CONTROL, MARKUP, RIGHT_TO_LEFT, harmless


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("made"))


@pytest.fixture
def run(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("COCKPIT_HOME", str(made))
    return run_dir.find("small")


def child_of(pilot: Pilot[None]) -> Any:
    screen = pilot.app.screen_stack[1]
    assert isinstance(screen, TryScreen)
    return screen._talk._child


async def test_both_answer_side_by_side_at_any_checkpoint(run: RunDir) -> None:
    async with opened("runs", size=(100, 24)) as pilot:
        await until_shown(pilot, "✓ completed", "t Try")
        await pilot.press("t")
        await until_shown(pilot, "latest, update 4", "max_tokens 128", "temperature 0", "↑ Earlier")
        await until_shown(pilot, "Prompts of the plan and its data", "enter Ask")
        offered = pilot.app.screen.query_one(Input).value
        assert offered and offered in screen_text(pilot)

        await pilot.press("escape", "e", "ctrl+u", *"max_tokens=6 temperature=0.5", "enter")
        await until_shown(pilot, "max_tokens 6", "temperature 0.5")
        await pilot.press("enter")
        text = await until_shown(pilot, "nano, base", "tuned, update 4", "6 tokens, ")
        await until(pilot, lambda: screen_text(pilot).count("6 tokens, ") == 2)
        (heads,) = (row for row in text.splitlines() if "nano, base" in row)
        assert "tuned, update 4" in heads and " │ " in text

        first = child_of(pilot).pid
        await pilot.press("slash", "ctrl+u", *"Who?", "enter")
        await until_shown(pilot, "> Who?", "6 tokens, ")
        await until(pilot, lambda: screen_text(pilot).count("6 tokens, ") == 2)
        assert child_of(pilot).pid == first
        await pilot.press("slash", "up")
        await until(pilot, lambda: pilot.app.screen.query_one(Input).value == offered)

        await pilot.press("escape", "c")
        await until_shown(pilot, "latest    update 4", "best      update", "validation loss")
        await pilot.press("end", "enter")
        await until_shown(pilot, "checkpoint update 2", "/ Prompt")
        await pilot.press("enter")
        await until_shown(pilot, "tuned, update 2")
        await until(pilot, lambda: screen_text(pilot).count("6 tokens, ") == 2)
        second = process.identity(child_of(pilot).pid)
        assert second is not None and second[0] != first and process.identity(first) is None

        await pilot.press("escape")
        await until_shown(pilot, "› Runs")
        await until(pilot, lambda: not process.is_alive(second))


async def test_narrow_it_is_one_above_the_other_and_a_key_stops_it(run: RunDir) -> None:
    async with opened(run, size=(60, 24)) as pilot:
        await until_shown(pilot, "completed")
        await pilot.press("t")
        await until_shown(pilot, "latest, update 4")
        await pilot.press("escape", "e", "ctrl+u", *"max_tokens=9999999 temperature=9", "enter")
        await until_shown(pilot, "max_tokens 9999999")
        await pilot.press("enter")
        await until_shown(pilot, "nano, base", "answering…", "s Stop")
        await until_shown(pilot, "rows ")  # longer than the screen, and followed
        child = process.identity(child_of(pilot).pid)
        assert child is not None
        await pilot.press("s")
        await until_shown(pilot, "tuned, update 4", "stopped, ")
        assert process.is_alive(child)
        await pilot.press("home")
        await until_shown(pilot, "nano, base", "rows 1-")
        await pilot.press("escape")
        await until_shown(pilot, "completed", "t Try")
        await until(pilot, lambda: not process.is_alive(child))


@pytest.mark.parametrize("size", [(20, 5), (80, 24), (160, 50)])
async def test_a_run_without_a_checkpoint_is_said_at_any_size(size: tuple[int, int]) -> None:
    async with opened(living_run(), size=size) as pilot:
        if size[0] > 20:
            await until_shown(pilot, "t Sample", "T Try")
        await pilot.press("T")
        await until(pilot, lambda: isinstance(pilot.app.screen_stack[1], TryScreen))
        await until(pilot, lambda: len(pilot.app.screen_stack) == 3)
        if size[0] > 20:
            await until_shown(pilot, "There is no checkpoint yet", "cockpit checkpoint")
        await pilot.press("escape", "escape", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, TryScreen))


async def test_a_prompt_of_the_data_is_shown_on_one_line_and_asked_as_it_is(run: RunDir) -> None:
    prompt = f"{MARKUP}{CONTROL}{RIGHT_TO_LEFT}\nsecond line"
    async with opened(run) as pilot:
        await until_shown(pilot, "t Try")
        await pilot.press("t")
        await until_shown(pilot, "latest, update 4")
        screen = pilot.app.screen
        assert isinstance(screen, TryScreen)
        screen._seen(Subject("nano", 4, False, (prompt, "another")))
        screen._recall.offer((prompt,))
        await pilot.press("up")
        assert harmless(await until_shown(pilot, "[bold red]danger[/]"))
        shown = screen.query_one(Input).value
        assert harmless(shown) and "\n" not in shown and screen._meant[shown] == prompt


async def test_beside_a_training_that_needs_the_memory_it_is_refused(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with a forecast as large as any machine goes on; what it may take is not taken."""
    training = living_run()
    forecast = '{"peak_bytes": 1000000000000000}'
    training.attempt(1).path.joinpath("forecast.json").write_text(forecast)
    try:
        async with opened(run) as pilot:
            await until_shown(pilot, "t Try")
            pilot.app.switch_screen(TryScreen(run))
            await until_shown(pilot, "latest, update 4")
            await pilot.press("enter")
            await until_shown(pilot, "A run is training", training.name, "this needs", "Wait until")
            assert child_of(pilot) is None
    finally:
        shutil.rmtree(training.path)


async def test_a_child_that_is_killed_is_explained_and_replaced(run: RunDir) -> None:
    async with opened(run) as pilot:
        await until_shown(pilot, "t Try")
        await pilot.press("t")
        await until_shown(pilot, "latest, update 4")
        await pilot.press("escape", "e", "ctrl+u", *"max_tokens=9999999 temperature=9", "enter")
        await until_shown(pilot, "max_tokens 9999999")
        await pilot.press("enter")
        await until_shown(pilot, "answering…")
        os.kill(child_of(pilot).pid, 9)
        await until_shown(pilot, "without a result", "SIGKILL", "It may have been memory")
        await pilot.press("escape", "e", "ctrl+u", *"max_tokens=3", "enter")
        await until_gone(pilot, "SIGKILL")
        await pilot.press("enter")
        await until(pilot, lambda: screen_text(pilot).count(" 3 tokens") == 2)


def heard(*messages: Any) -> Exchange:
    exchange = Exchange("Why?", "nano")
    for message in messages:
        exchange.hear(message)
    return exchange


def rows(exchange: Exchange, width: int) -> list[str]:
    found = layout(exchange, width)
    return [text_of(row) for row in (*found.head, *found.body)]


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_what_a_model_writes_is_shown_and_never_obeyed(width: int) -> None:
    said = heard(
        Ready(4, True, "float32"),
        Asked(0, CONTROL, "base"),
        *(Piece(character) for character in MARKUP + CONTROL),
        Asked(0, CONTROL, "tuned"),
        Piece(RIGHT_TO_LEFT + "\r\n模型" * 40),
    )
    text = "\n".join(rows(said, width))
    assert harmless(text) and "模型" in text and "\ufffd" in text
    assert "".join(MARKUP.split()) in "".join(text.split()) or width >= 80


def test_an_answer_keeps_its_lines_and_indentation() -> None:
    assert wrapped("def f():\n    return 1\n", 40) == ["def f():", "    return 1", ""]
    assert wrapped("aaa bbb cccccccc d", 5) == ["aaa", "bbb", "ccccc", "ccc d"]
    assert wrapped("模型模型", 4) == ["模型", "模型"]


def test_how_far_an_answer_is_is_said() -> None:
    said = heard(Ready(8, True, "float32"), Asked(0, "Why?", "base"), Piece("So."))
    assert said.note("base") == "answering…" and said.note("tuned") == ""
    said.hear(Asked(0, "Why?", "tuned"))
    assert said.note("base") == "✓" and "tuned, update 8" in "\n".join(rows(said, 90))
    count = {"text": "", "tokens": 2, "seconds": 0.5}
    done = {"base": count, "tuned": count | {"tokens": 1}, "stopped": True}
    said.hear(Result(done))
    assert said.note("base") == "stopped, 2 tokens, 4.0/s"
    assert said.note("tuned") == "stopped, 1 token, 2.0/s"


def test_prompts_are_gone_back_to_newest_first() -> None:
    asked: list[str] = []
    recall = Recall(asked)
    assert recall.offer(["one", "two"]) == "one"
    assert [recall.step(-1), recall.step(-1), recall.step(1), recall.step(1)] == [
        "two", "two", "one", "",
    ]  # fmt: skip
    recall.add("mine")
    assert [recall.step(-1), recall.step(-1), recall.step(1)] == ["one", "two", "one"]
    another = Recall(asked)
    assert another.offer(["three"]) == "mine" and another.step(-1) == "mine"


def test_giving_up_before_there_is_a_model_leaves_no_child(run: RunDir) -> None:
    talk = Talk(run)
    said = talk.ask("Who?", "latest", Settings(max_tokens=3), lambda text: None)
    assert next(said)  # it is being loaded
    child = process.identity(talk._child.pid) if talk._child else None
    talk.stop()
    assert not [message for message in said if isinstance(message, Result)]
    assert child is not None and not process.is_alive(child)
