"""Tags: kept whole, each once, and never a reason for anything else to fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cockpit.errors import CockpitError
from cockpit.system import tags
from cockpit.system.run_dir import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path)


def test_what_was_written_is_read_again(run: RunDir) -> None:
    assert tags.read(run) == ()
    assert tags.write(run, ["baseline", "night"]) == ("baseline", "night")
    assert tags.read(run) == ("baseline", "night")
    assert [path.name for path in run.path.iterdir()] == [tags.TAGS_NAME]


def test_a_line_of_text_is_tags_between_spaces_or_commas() -> None:
    assert tags.parse(" baseline, night #paper,,try-2 ") == ("baseline", "night", "paper", "try-2")


def test_a_tag_is_there_once_whatever_its_case_or_its_accents() -> None:
    assert tags.added(["Night"], ["night", "u\u0308ber", "\u00fcber"]) == ("Night", "\u00fcber")


def test_removing_names_what_was_never_there(run: RunDir) -> None:
    assert tags.removed(["Night", "paper"], ["#NIGHT"]) == ("paper",)
    with pytest.raises(CockpitError) as failure:
        tags.removed(["paper"], ["nihgt"])
    assert failure.value.message == "nihgt" and "paper" in failure.value.remedy


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"\xff\xfe", b'{"tags": 7}', b'"night"', b"[" * 60_000, b"[" + b"1," * 60_000],
)
def test_a_damaged_file_is_no_tags_and_is_set_aside_before_it_is_written_over(
    run: RunDir, damage: bytes
) -> None:
    path = run.path / tags.TAGS_NAME
    path.write_bytes(damage)
    assert tags.read(run) == ()
    tags.write(run, ["night"])
    assert tags.read(run) == ("night",)
    assert (run.path / tags.DAMAGED_NAME).read_bytes() == damage


def test_a_file_edited_by_hand_may_be_a_bare_list_with_anything_in_it(run: RunDir) -> None:
    path = run.path / tags.TAGS_NAME
    path.write_text(json.dumps(["#night", 7, None, "two words", "", "x" * 999]))
    assert tags.read(run) == ("night", "two-words", "x" * tags.MOST_CHARACTERS)


def test_what_a_terminal_would_obey_is_neither_kept_nor_shown(run: RunDir) -> None:
    hostile = "a\x1b[31mb\u202ec\x00"
    assert tags.write(run, [hostile]) == ("a\ufffd[31mb\ufffdc\ufffd",)
    (run.path / tags.TAGS_NAME).write_text(json.dumps({"tags": [hostile, "\ud800"]}))
    assert tags.read(run) == ("a\ufffd[31mb\ufffdc\ufffd", "\ufffd")


def test_too_many_and_too_long_ones_are_refused_and_nothing_is_lost(run: RunDir) -> None:
    tags.write(run, ["night"])
    for refused in ([f"tag{i}" for i in range(tags.MOST_TAGS + 1)], ["x" * 41]):
        with pytest.raises(CockpitError):
            tags.write(run, refused)
    assert tags.read(run) == ("night",)


def test_a_folder_that_takes_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(CockpitError) as failure:
        tags.write(RunDir(tmp_path / "gone"), ["night"])
    assert failure.value.exit_code == 1 and "tags.json" in failure.value.message
