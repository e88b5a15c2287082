"""``cockpit fit``: every figure in it is a forecast that ``predict`` gives as well."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cockpit import cli
from cockpit.memory import client
from tests.cli.conftest import Cockpit

PROFILE = 'title = "Small"\nbackend = "cpu"\nram = "1 GB"\nsystem_reserved = "600 MB"\n'
PLAN = ["--model", "nano", "--max-seq-length", "257"]


@pytest.fixture(autouse=True)
def small(home: Path) -> None:
    (home / "profiles").mkdir(parents=True)
    (home / "profiles" / "small.toml").write_text(PROFILE)


def test_what_is_found_fits_and_the_next_larger_does_not(cockpit: Cockpit) -> None:
    found = cockpit("fit", *PLAN, "--batch-size", 64, "--profile", "small", "--json").document
    assert found["plan"]["fits"] is False
    batch = found["largest"]["batch_size"]
    assert batch["value"] < 64 and batch["forecast"]["fits"]
    flags = [*PLAN, "--batch-size", batch["value"] + 1, "--profile", "small", "--json"]
    assert cockpit("predict", *flags).document["fits"] is False
    assert found["cheapest"]["forecast"]["fits"] is True
    assert found["cheapest"]["changes"]["batch_size"] < 64
    assert found["largest"]["num_layers"]["asked"] == 4
    assert all(lever["bytes_added"] for lever in found["levers"])


def test_a_person_reads_the_change_the_largest_and_the_levers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the rough estimate, for which nothing is traced."""
    mute = (sys.executable, "-c", "")
    monkeypatch.setattr(client.Worker.__init__, "__defaults__", (mute,))
    assert cli.run(["fit", *PLAN, "--batch-size", "256", "--profile", "small"]) == 0
    said = capsys.readouterr().out
    assert "does not fit (rough estimate)" in said
    (flags,) = [line.split() for line in said.splitlines() if line.startswith("  --")]
    for word in ("LARGEST", "LEVER", "num_layers", "grad_checkpoint on"):
        assert word in said
    assert cli.run(["predict", *PLAN, *flags, "--profile", "small"]) == 0
    assert "\nfits: the budget of Small" in capsys.readouterr().out


def test_a_length_beyond_the_models_own_is_what_is_said_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The largest is less than what is asked, though that fits: memory is not why."""
    mute = (sys.executable, "-c", "")
    monkeypatch.setattr(client.Worker.__init__, "__defaults__", (mute,))
    assert cli.run(["fit", "--model", "nano", "--batch-size", "1", "--max-seq-length", "1025"]) == 0
    said = capsys.readouterr()
    (row,) = [line for line in said.out.splitlines() if line.startswith("max_seq_length  ")]
    assert "1,025 is beyond the 512 the model was made for" in row
    assert "max_seq_length 1025 is beyond the 512 the model was made for" in said.err
