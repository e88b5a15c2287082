"""The whole walk on two families the documents call impossible, and on a model that is broken.

The other families are in ``bench/check_catalogue.py``: half an hour.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cockpit import catalogue
from cockpit.check.checking import Candidate, check
from cockpit.check.client import Client, StageError
from cockpit.check.stages import STAGES, Report, packing_of
from cockpit.embedded import nano_path
from cockpit.system.model_files import ModelFiles


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client() as client:
        yield client


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))


def config(slug: str) -> dict[str, Any]:
    found = catalogue.find(slug)
    assert found is not None
    return found.config()


def passed(report: Report) -> list[str]:
    return [outcome.stage for outcome in report.stages if outcome.status == "passed"]


def test_packed_experts_load_train_resume_fuse_reload_and_generate(client: Client) -> None:
    report = check(Candidate("twin", config("qwen3-30b-a3b"), "4-bit"), client)

    assert report.failed == ()
    assert passed(report) == [stage for stage in STAGES if stage != "export"]
    assert report.experts_trained
    assert "to the bit" in report.of("resume").detail or "within" in report.of("resume").detail
    export = report.of("export")
    assert export.status == "not for this family" and "qwen3_moe" in export.detail


def test_a_hybrid_of_state_space_and_attention_passes(client: Client) -> None:
    report = check(Candidate("twin", config("granite-4.0-h-micro"), "16-bit"), client)

    assert report.failed == ()
    assert {"load", "train", "resume", "fuse", "reload", "generate"} <= set(passed(report))
    assert report.experts_trained is None


def test_a_damaged_model_fails_to_load_and_nothing_else_is_claimed(
    tmp_path: Path, client: Client
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(nano_path(), broken)
    weights = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    own = ModelFiles.scan(broken).config()

    report = check(Candidate("broken", own, packing_of(own), broken), client)

    load, *rest = report.stages
    assert load.status == "failed" and load.error and "cannot load" in load.meaning
    assert {outcome.status for outcome in rest} == {"not reached"}
    assert report.word == "fails: load"
    assert list((tmp_path / "home").iterdir()) == []


def test_a_stage_that_crashes_or_never_ends_is_a_finding() -> None:
    with Client() as client, pytest.raises(StageError, match="did not answer in"):
        client.ask("load", 0.0, folder=str(nano_path()))
    with Client() as client:
        with pytest.raises(StageError, match="AssertionError"):
            client.ask("reload", 60.0, folder="nowhere")
        assert client.ask("load", 60.0, folder=str(nano_path()))["parameters"] > 0
