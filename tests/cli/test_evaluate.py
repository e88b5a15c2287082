"""``cockpit evaluate`` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cockpit
from tests.cli.results_run import error_of, finished_run, refused


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("made"))


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(made))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return made


def test_base_and_tuned_and_the_best_checkpoint(cockpit: Cockpit) -> None:
    told = cockpit("evaluate", "small")
    assert told.code == 0
    assert "on test.jsonl" in told.out and "training lowered the loss" in told.out
    assert "best checkpoint: update" in told.out
    found = cockpit("evaluate", "small", "--checkpoint", "best", "--split", "valid", "--json")
    document = found.document
    assert document["split"] == "valid" and document["tokens"] > 0
    best = document["best_checkpoint"]
    assert document["checkpoint"] == best["update"]
    # The best checkpoint by its own measure: valid.jsonl is whole in training's batches. They are
    # other batches than here, so the last bit may differ.
    assert document["tuned"]["loss"] == pytest.approx(best["validation_loss"], rel=1e-6)
    assert document["tuned"]["loss"] < document["base"]["loss"]


def test_what_cannot_be_measured_is_one_short_message(cockpit: Cockpit, made: Path) -> None:
    refused(cockpit("evaluate", "small", "--checkpoint", "3"), "none after update 3", "2, 4")
    refused(cockpit("evaluate", "nobody"), "nobody")
    refused(cockpit("evaluate", "small", "--split", "train"), "--split")
    damaged = next(made.glob("runs/*/checkpoints/0000002/adapters.safetensors"))
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1])
    done = cockpit("evaluate", "small", "--checkpoint", "2", "--json")
    damaged.write_bytes(content)
    assert done.code == 2 and "damaged" in error_of(done)["title"]
