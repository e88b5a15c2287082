"""Run directories on disk: creation, order, finding."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import run_dir, whole_file

PLAN = RunPlan(model="nano", data="/data")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    return tmp_path


def test_a_new_run_has_its_first_attempt_ready() -> None:
    run = run_dir.create(PLAN, {"peak_bytes": 7})
    (attempt,) = run.attempts()
    assert (attempt.number, attempt.plan(), run.plan()) == (1, PLAN, PLAN)
    assert attempt.forecast() == {"peak_bytes": 7}
    assert run_dir.add_attempt(run, PLAN).number == 2


def test_no_loss_of_power_leaves_half_a_run_or_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[int] = set()
    monkeypatch.setattr(
        whole_file, "to_the_medium", lambda descriptor: synced.add(os.fstat(descriptor).st_ino)
    )
    run = run_dir.create(PLAN, {"peak_bytes": 7})
    run_dir.add_attempt(run, PLAN, {"peak_bytes": 7}, {"checkpoint": "0000100"})
    there = [run.path.parent, run.path, *run.path.rglob("*")]
    assert {path.stat().st_ino for path in there} <= synced


def test_runs_of_one_minute_are_listed_newest_first(home: Path) -> None:
    names = ["20260101-1200-zeta-0000", "20260101-1200-alpha-ffff", "20251231-2359-omega-1111"]
    for age, name in enumerate(names):
        folder = home / "runs" / name
        folder.mkdir(parents=True)
        (folder / "plan.toml").touch()
        os.utime(folder / "plan.toml", (1e9 - age, 1e9 - age))
    assert [run.name for run in run_dir.all_runs()] == names
    assert run_dir.find("latest").name == names[0]


def test_a_damaged_run_is_listed_and_a_stray_folder_is_not(home: Path) -> None:
    (home / "runs" / "20260101-1200-damaged" / "attempts").mkdir(parents=True)
    (home / "runs" / "notes").mkdir()
    (home / "runs" / ".DS_Store").touch()
    assert [run.name for run in run_dir.all_runs()] == ["20260101-1200-damaged"]


def test_a_run_is_found_by_name_part_and_path() -> None:
    run = run_dir.create(PLAN)
    assert run_dir.find(run.name) == run_dir.find(run.name[-4:]) == run
    assert run_dir.find(str(run.path)) == run
    other = run_dir.create(PLAN)
    with pytest.raises(CockpitError) as raised:
        run_dir.find("nano")
    assert run.name in raised.value.message and other.name in raised.value.message


def test_a_home_that_is_a_file_is_an_error_with_a_remedy(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").touch()
    monkeypatch.setenv("COCKPIT_HOME", str(home / "file"))
    with pytest.raises(CockpitError) as raised:
        run_dir.create(PLAN)
    assert "COCKPIT_HOME" in raised.value.remedy
