"""Keys of one's own: what keys.toml changes, and what of it is refused and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.ui import keymap
from cockpit.ui.widgets.key_bar import KeyBar
from tests.ui.conftest import living_run, opened, screen_text, until_shown


def write_keys(home: Path, text: str) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    file = home / "keys.toml"
    file.write_text(text)
    return file


def test_every_action_has_a_name_of_its_own() -> None:
    """Names are kept between versions: people write them into their files."""
    known = {action.id: action for action in keymap.actions()}
    assert known["run.stop"].keys == ("s",)
    assert known["cockpit.help"].keys == ("question_mark",)
    assert known["list.up"].keys == ("up", "k")
    assert {"choose.launch", "runs.attach", "recover.take", "compare.back"} <= set(known)
    assert all(action.about for action in known.values())


async def test_a_key_of_ones_own_acts_and_is_shown(home: Path) -> None:
    write_keys(home, '[cockpit]\nhelp = "f1"\n[choose]\nexplain = "f9,i"\n')
    async with opened("choose") as pilot:
        await until_shown(pilot, "ready to launch", "f1 Keys")
        bar = "".join(text for row in pilot.app.screen.query_one(KeyBar).lines for text, _ in row)
        assert "f9" in bar
        await pilot.press("question_mark")
        await pilot.pause()
        assert "This screen" not in screen_text(pilot)
        await pilot.press("f1")
        await until_shown(pilot, "Keys", "This screen")


async def test_what_cannot_be_used_is_said_and_the_rest_holds(home: Path) -> None:
    write_keys(home, '[run]\nstpo = "f8"\npause = "f7"\nstop = "c"\n')
    async with opened(living_run(), size=(120, 40)) as pilot:
        await until_shown(pilot, "did you mean run.stop?", "c is the key of run.checkpoint")
        bar = "".join(text for row in pilot.app.screen.query_one(KeyBar).lines for text, _ in row)
        assert "f7" in bar.lower()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run\n", "line 1"),
        ("run = 3\n", "no action run"),
        ("[run]\nstop = 3\n", "not a text of keys"),
        ('[run]\nstop = ""\n', "not a text of keys"),
        ('[run]\nstop = "q"\n', "q is the key of cockpit.leave"),
        ('[cockpit]\nleave = "s"\n', "s is the key of "),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    found = keymap.read(write_keys(tmp_path, text))
    assert not found.keymap
    assert len(found.problems) == 1 and said in found.problems[0]


def test_actions_that_shared_a_key_may_share_another(tmp_path: Path) -> None:
    """Pause and resume: only one of the two is ever offered."""
    found = keymap.read(write_keys(tmp_path, '[run]\npause = "space"\nresume = "space"\n'))
    assert not found.problems
    assert found.keymap == {"run.pause": "space", "run.resume": "space"}


def test_the_template_is_what_is_read(tmp_path: Path) -> None:
    known = keymap.actions()
    text = keymap.template(known)
    assert keymap.read(write_keys(tmp_path, text)).problems == ()
    uncommented = "\n".join(line.removeprefix("# ") for line in text.splitlines()[1:])
    found = keymap.read(write_keys(tmp_path, uncommented))
    assert found.problems == ()
    assert found.keymap == {action.id: ",".join(action.keys) for action in known}


def test_who_shares_a_key_keeps_it_when_the_other_moves(tmp_path: Path) -> None:
    """Textual takes the old key from both."""
    found = keymap.read(write_keys(tmp_path, '[run]\npause = "f8"\n'))
    assert found.keymap == {"run.pause": "f8", "run.resume": "p"}


def test_a_key_that_lists_take_first_is_taken(tmp_path: Path) -> None:
    found = keymap.read(write_keys(tmp_path, '[runs]\nexport = "j"\n'))
    assert found.keymap == {} and "list.down" in found.problems[0]
