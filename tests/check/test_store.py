"""Verdicts outlive the check: one readable file, by twin, packing and versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit import catalogue
from cockpit.check import store
from cockpit.check.meaning import meaning
from cockpit.check.shrink import fingerprint
from cockpit.check.stages import STAGES, Outcome, Report
from cockpit.system.software import installed_version


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def config(slug: str) -> dict[str, Any]:
    found = catalogue.find(slug)
    assert found is not None
    return found.config()


def report(slug: str = "qwen2.5-3b", *, fails: str = "", **fields: Any) -> Report:
    stages = [Outcome(stage=s, status="failed" if s == fails else "passed") for s in STAGES]
    made = {
        "model": slug,
        "model_type": "qwen2",
        "packing": "16-bit",
        "weights": "twin",
        "fingerprint": fingerprint(config(slug), "16-bit"),
        "mlx": installed_version("mlx"),
        "mlx_lm": installed_version("mlx-lm"),
        "device": "here",
        "checked": "2026-11-21T12:00:00Z",
        "stages": stages,
    }
    return Report.model_validate(made | fields)


def test_nothing_was_checked_yet() -> None:
    assert store.load() == []
    assert store.Known().word("qwen2.5-3b", config("qwen2.5-3b")) is None


def test_a_verdict_holds_for_every_model_with_the_same_twin() -> None:
    store.save(report())

    known = store.Known()
    assert known.word("anything", config("qwen2.5-0.5b")) == "passed"
    assert known.word("anything", config("qwen2.5-7b")) is None


def test_a_newer_verdict_replaces_the_older() -> None:
    store.save(report())
    store.save(report(fails="resume"))

    assert len(store.load()) == 1
    assert store.Known().word("x", config("qwen2.5-3b")) == "fails: resume"


def test_other_versions_keep_their_verdict_and_say_nothing_of_these() -> None:
    store.save(report(mlx="0.31.0", fails="train"))
    assert store.Known().word("x", config("qwen2.5-3b")) is None

    store.save(report())
    assert len(store.load()) == 2
    assert store.Known().word("x", config("qwen2.5-3b")) == "passed"


def test_real_weights_speak_for_the_model_they_are() -> None:
    store.save(report(fails="export"))
    store.save(report(weights="real", model="./mine"))

    known = store.Known()
    assert known.word("./mine", config("qwen2.5-3b")) == "passed (real)"
    assert known.word("qwen2.5-3b", config("qwen2.5-3b")) == "fails: export"


def test_the_file_is_readable_and_a_damaged_record_costs_only_itself(home: Path) -> None:
    store.save(report())
    document = json.loads(store.path().read_text())
    assert document["verdicts"][0]["stages"][0]["stage"] == "load"
    document["verdicts"].insert(0, {"model": "half a record"})
    store.path().write_text(json.dumps(document))

    assert [r.model for r in store.load()] == ["qwen2.5-3b"]
    store.path().write_text("{")
    assert store.load() == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("ValueError: Model type foo not supported.", "newer one"),
        ("'LoRALinear' object has no attribute 'weight'", "lora_parameters.keys"),
        ("the process was ended by SIGSEGV", "crashed"),
        ("Received 3 parameters not in model", "not what mlx-lm's model"),
        ("something never seen", "cannot be fine-tuned"),
    ],
)
def test_errors_are_told_with_what_they_mean(error: str, said: str) -> None:
    assert said in meaning("train", error)
