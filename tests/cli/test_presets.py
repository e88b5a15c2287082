"""Presets and times for scripts: ``cockpit presets``, ``--preset``, ``predict --time``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit import cli
from cockpit.cli.parser import build_parser
from cockpit.cli.plan_arguments import plan_from_arguments
from cockpit.core.plan import RunPlan
from cockpit.embedded import demo_data_path
from cockpit.system import run_dir, warm_up

DEMO = ["--model", "nano", "--data", str(demo_data_path())]

pytestmark = pytest.mark.usefixtures("home")


def planned(*flags: str) -> RunPlan:
    """The plan that ``cockpit train`` would start with these flags."""
    return plan_from_arguments(build_parser().parse_args(["train", *DEMO, *flags]))


def test_presets_are_listed_for_people_and_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["presets"]) == 0
    said = capsys.readouterr().out
    assert "quick-test: Quick test" in said and "rank 32" in said and "8 hours" in said
    assert "1 checkpoints" not in said and "--preset NAME" in said
    assert cli.run(["presets", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["presets"]
    assert [row["name"] for row in listed][:2] == ["quick-test", "overnight"]
    assert listed[2]["plan"]["rank"] == 32 and listed[1]["hours"] == 8


def test_a_preset_goes_over_a_plan_file_and_under_the_flags(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text("batch_size = 2\nseed = 7\n[lora_parameters]\nrank = 4\nkeys = ['a']\n")
    plan = planned(str(file), "--preset", "mac-8gb-night", "--max-seq-length", "1024")
    assert plan.seed == 7 and plan.lora_parameters.keys == ("a",)
    assert plan.batch_size == 4 and plan.lora_parameters.rank == 32
    assert plan.max_seq_length == 1024 and plan.iters == 15_000


def test_the_length_follows_from_the_data_unless_flags_say_it() -> None:
    assert planned("--preset", "mac-18gb-short").iters == 3 * 400 // 4
    assert planned("--preset", "mac-18gb-short", "--epochs", "1").iters == 100
    quick = planned("--preset", "quick-test", "--grad-accumulation-steps", "8")
    assert quick.updates == 20 and quick.steps_per_eval == 80
    assert planned("--preset", "quick-test", "--iters", "7").iters == 7


def test_fewer_iterations_than_an_update_needs_are_no_hindrance(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text("iters = 4\n")
    plan = planned(str(file), "--preset", "quick-test", "--grad-accumulation-steps", "16")
    assert plan.updates == 20


def test_a_night_says_what_it_assumes(capsys: pytest.CaptureFixture[str]) -> None:
    assert planned("--preset", "overnight").iters == 300
    assert "overnight: 3 epochs in place of 8 hours" in capsys.readouterr().err


def test_a_preset_that_there_is_not_is_a_wrong_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", *DEMO, "--preset", "overnite"]) == 2
    assert "Did you mean overnight?" in capsys.readouterr().err
    assert run_dir.all_runs() == []


def test_a_plan_is_timed_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_up, "ENOUGH_SECONDS", 0.0)
    flags = [*DEMO, "--max-seq-length", "32", "--iters", "40", "--json"]
    documents: list[dict[str, Any]] = []
    for more in ([], ["--time"], ["--time"], []):
        assert cli.run(["predict", *flags, *more]) == 0
        documents.append(json.loads(capsys.readouterr().out))
    unknown, timed, again, known = (document["time"] for document in documents)
    assert unknown is None and timed == again == known
    assert timed["from"] == "warm-up" and timed["warm_up_updates"] == warm_up.FEWEST
    assert timed["seconds"] == pytest.approx(40 * timed["seconds_per_update"])
    assert run_dir.all_runs() == []


@pytest.mark.parametrize(
    ("flags", "phrase"),
    [
        (["--model", "nano"], "Name it with --data"),
        ([*DEMO, "--profile", "m2-air-8"], "only be timed on this machine"),
    ],
)
def test_what_cannot_be_timed_is_said(
    flags: list[str], phrase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["predict", *flags, "--time"]) == 2
    assert phrase in capsys.readouterr().err
