"""``cockpit runs``, ``tag`` and ``export``: finding runs, naming them, taking their data along."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cockpit import cli
from cockpit.system import tags
from cockpit.system.run_dir import RunDir
from tests.cli.conftest import Done
from tests.system.recorded_runs import completed, recorded, started, updated, validated

Command = Callable[..., Done]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def command(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The command line without a process of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Done:
        capfd.readouterr()
        try:
            code = cli.run([*map(str, arguments)])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return run


@pytest.fixture
def runs(home: Path) -> tuple[RunDir, RunDir, RunDir]:
    """Oldest first: good, better with the higher memory, and one that never began."""
    good = recorded([started(), updated(1, 2.0), validated(1, 2.5), completed(1)], name="good")
    better = recorded(
        [started(), updated(1, 1.0, 9_000), validated(1, 1.5), completed(1)], name="better"
    )
    tags.write(good, ["paper", "night"])
    tags.write(better, ["paper"])
    return good, better, recorded([], name="empty", model="org/other")


def listed(done: Done) -> list[str]:
    return [run["run"].split("-")[2] for run in done.document["runs"]]


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("", ["empty", "better", "good"]),
        ("--filter PAPER", ["better", "good"]),
        ("--filter other", ["empty"]),
        ("--tag paper --tag night", ["good"]),
        ("--tag pap", []),
        ("--sort best-loss", ["better", "good", "empty"]),
        ("--sort final-loss --reverse", ["good", "better", "empty"]),
        ("--sort peak-memory --filter completed", ["better", "good"]),
    ],
)
def test_runs_are_found_and_put_in_order(command: Command, flags: str, found: list[str]) -> None:
    assert listed(command("runs", *flags.split(), "--json")) == found


@pytest.mark.usefixtures("runs")
def test_for_people_tags_and_what_the_order_is_by_have_a_column(command: Command) -> None:
    plain = command("runs")
    assert "BEST" not in plain.out and "paper,night" in plain.out
    by_best = command("runs", "--sort", "best-loss").out.splitlines()
    assert "BEST" in by_best[0] and "1.500" in by_best[1] and "n/a" in by_best[3]
    none = command("runs", "--filter", "nothing-like-it")
    assert (none.code, none.out) == (0, "") and "No run matches" in none.err


@pytest.mark.usefixtures("runs")
def test_an_unknown_order_names_those_there_are(command: Command) -> None:
    done = command("runs", "--sort", "luck")
    assert done.code == 2 and "best-loss" in done.err and "->" in done.err


@pytest.mark.usefixtures("runs")
def test_tags_are_added_shown_and_removed(command: Command) -> None:
    assert command("tag", "empty").out == ""
    assert command("tag", "empty", "#try-2", "night").out == "try-2\nnight\n"
    assert command("tag", "--remove", "empty", "NIGHT", "--json").document["tags"] == ["try-2"]
    assert command("show", "empty", "--json").document["tags"] == ["try-2"]
    assert "try-2" in command("show", "empty").out


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("empty --remove", "No tag was named"),
        ("good --remove nihgt", "nihgt"),
        ("nowhere night", "nowhere"),
        ("empty " + "x" * 41, "too long"),
    ],
)
def test_a_wrong_request_about_tags_is_said(command: Command, asked: str, said: str) -> None:
    done = command("tag", *asked.split())
    assert done.code == 2 and said in done.err and "->" in done.err


def test_an_export_takes_a_free_name_and_says_its_whole_path(
    command: Command, runs: tuple[RunDir, ...], tmp_path: Path
) -> None:
    first = command("export", "good")
    assert first.out == f"{tmp_path / runs[0].name}.csv\n"
    assert Path(first.out.strip()).read_text().count("\n") == 2
    again = command("export", "good", "better", "good", "--format", "json", "--json")
    assert again.document == {
        "path": str(tmp_path / "2-runs.json"),
        "format": "json",
        "runs": [runs[0].name, runs[1].name],
    }
    assert len(json.loads((tmp_path / "2-runs.json").read_text())["runs"]) == 2
    assert command("export", "good").out == f"{tmp_path / runs[0].name}-2.csv\n"


@pytest.mark.usefixtures("runs")
def test_a_file_that_is_there_is_written_over_only_by_force(
    command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "loss.svg"
    path.write_text("mine")
    refused = command("export", "good", "--output", path)
    assert refused.code == 2 and str(path) in refused.err and "--force" in refused.err
    assert path.read_text() == "mine"
    assert command("export", "good", "--output", path, "--force").code == 0
    assert ET.fromstring(path.read_text()).find(f"{SVG}title") is not None


@pytest.mark.usefixtures("runs")
def test_the_format_is_that_of_the_name_unless_it_is_said(command: Command, tmp_path: Path) -> None:
    assert command("export", "good", "--output", "a.JSON").code == 0
    assert json.loads((tmp_path / "a.JSON").read_text())["runs"]
    assert command("export", "good", "--output", "a.txt", "--format", "csv").code == 0
    assert (tmp_path / "a.txt").read_text().startswith("run,update,train_loss")
    (tmp_path / "folder").mkdir()
    assert command("export", "good", "--output", "folder").out.startswith(f"{tmp_path}/folder/")


@pytest.mark.usefixtures("runs")
def test_standard_output_carries_the_export_and_nothing_else(command: Command) -> None:
    assert command("export", "better", "--output", "-").out.count("\n") == 2
    document: Any = command("export", "better", "--output", "-", "--format", "json").document
    assert document["runs"][0]["tags"] == ["paper"]
    both = command("export", "better", "--output", "-", "--json")
    assert both.code == 2 and both.document["error"]["remedy"]


@pytest.mark.parametrize("name", ["tag", "export", "runs"])
def test_help_teaches(command: Command, name: str) -> None:
    done = command(name, "--help")
    assert done.code == 0 and "--json" in done.out
    assert {"tag": "tags.json", "export": "--force", "runs": "--filter"}[name] in done.out
