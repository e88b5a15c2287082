"""A file that was asked for is there whole, or not at all, and never in place of another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.errors import CockpitError
from cockpit.system import export_file


def broken() -> Iterator[str]:
    yield "half"
    raise OSError(28, "No space left on device")


def test_it_is_written_with_the_folders_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "run.csv"
    export_file.write(path, ["ä", "b"])
    assert path.read_text(encoding="utf-8") == "äb"
    assert list(path.parent.iterdir()) == [path]


def test_another_file_is_left_alone_unless_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("mine")
    with pytest.raises(CockpitError) as failure:
        export_file.write(path, ["theirs"])
    assert str(path) in failure.value.message and path.read_text() == "mine"
    export_file.write(path, ["theirs"], over=True)
    assert path.read_text() == "theirs"


def test_what_cannot_be_made_leaves_nothing_behind_and_takes_nothing_away(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    with pytest.raises(CockpitError) as failure:
        export_file.write(path, broken())
    assert failure.value.exit_code == 1 and "No space left" in failure.value.message
    assert list(tmp_path.iterdir()) == []
    path.write_text("mine")
    with pytest.raises(CockpitError):
        export_file.write(path, broken(), over=True)
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["folder", "file/run.csv", "x" * 300])
def test_a_place_that_takes_no_file_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(CockpitError) as failure:
        export_file.write(tmp_path / name, ["text"], over=True)
    assert name in failure.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_pipe_is_written_into_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        export_file.write(pipe, ["text"])
        assert os.read(reader, 10) == b"text" and pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_free_name_is_a_new_one(tmp_path: Path) -> None:
    assert export_file.free_path(tmp_path, "run", "csv").name == "run.csv"
    (tmp_path / "run.csv").write_text("")
    (tmp_path / "run-2.csv").symlink_to("nowhere")
    assert export_file.free_path(tmp_path, "run", "csv").name == "run-3.csv"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("20261121-qwen2.5-3f9a", "20261121-qwen2.5-3f9a"),
        ("../../etc/passwd", "etc-passwd"),
        ("-rf \x1b[31m\u202e*;$(x)", "rf-31m-x"),
        ("\u6a21\u578b", "run"),
        ("x" * 500, "x" * 120),
    ],
)
def test_a_name_is_safe_to_type(text: str, name: str) -> None:
    assert export_file.safe_name(text) == name
