"""``cockpit keys``: what the keys are, and a file to change them."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cockpit


def test_listed_written_changed_and_listed_again(cockpit: Cockpit, home: Path) -> None:
    listed = cockpit("keys")
    assert listed.code == 0
    assert "run.stop" in listed.out and "cockpit keys --write" in listed.out
    assert cockpit("keys", "--write").code == 0
    file = home / "keys.toml"
    file.write_text(file.read_text().replace('# stop = "s"', 'stop = "f8"'))
    by_name = {one["action"]: one for one in cockpit("keys", "--json").document["actions"]}
    assert by_name["run.stop"]["keys"] == ["f8"]
    again = cockpit("keys", "--write")
    assert again.code == 2 and "already" in again.err
    assert "f8" in file.read_text()


def test_a_wrong_line_is_a_warning(cockpit: Cockpit, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "keys.toml").write_text('[run]\nstpo = "f8"\n')
    told = cockpit("keys")
    assert told.code == 0 and "did you mean run.stop?" in told.err
