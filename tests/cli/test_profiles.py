"""``cockpit profiles``: show, copy, change; whatever is not one's own stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit import cli


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.run(["profiles", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_copy_is_saved_with_its_changes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["--set", "ram=16 GiB", "--set", "cpu_cores=8", "--set", "guard.stop_share=0.95"]
    code, shown, said = run(capsys, "m2-air-8", "--copy", "mine", *sets)
    path = home / "profiles" / "mine.toml"
    assert code == 0 and path.read_text() == shown and str(path) in said and "11.5 GB" in said
    for line in ('ram = "16 GiB"', "cpu_cores = 8", "stop_share = 0.95", 'chip = "Apple M2"'):
        assert line in shown
    assert "mine" in run(capsys)[1]


def test_one_of_ones_own_is_changed_only_with_yes(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "m2-air-8", "--copy", "mine")
    before = (home / "profiles" / "mine.toml").read_text()
    code, _, said = run(capsys, "mine", "--set", "memory_bandwidth_gb_s=")
    assert code == 2 and "--yes" in said
    assert (home / "profiles" / "mine.toml").read_text() == before
    code, shown, _ = run(capsys, "mine", "--set", "memory_bandwidth_gb_s=", "--yes")
    assert code == 0 and "memory_bandwidth_gb_s" in before and "bandwidth" not in shown


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["m2-air-8", "--set", "ram=9 GiB", "--yes"], "m2-air-8 comes with the cockpit"),
        (["m2-air-8", "--copy", "m1-pro-16", "--yes"], "m1-pro-16 comes with the cockpit"),
        (["m2-air-8", "--copy", "../mine"], "its file's name"),
        (["m2-air-8", "--copy", "mine", "--set", "ram=9"], "profile mine: ram: cannot read"),
        (["m2-air-8", "--copy", "mine", "--set", "rom=9"], "unknown field rom"),
        (["m2-air-8", "--copy", "mine", "--set", "ram"], "FIELD=VALUE"),
        (["nowhere", "--copy", "mine"], "nowhere"),
        (["--copy", "mine"], "need one to start from"),
    ],
)
def test_a_wrong_request_saves_nothing(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], phrase: str
) -> None:
    code, _, said = run(capsys, *arguments)
    assert code == 2 and phrase in said and "->" in said
    assert not list(home.glob("profiles/*"))


def test_a_machine_described_by_its_owner_is_the_one_planned_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "this-machine", "--copy", "this-machine", "--set", "title=Ours")
    assert (home / "profiles" / "this-machine.toml").is_file()
    assert 'title = "Ours"' in run(capsys, "this-machine")[1]
