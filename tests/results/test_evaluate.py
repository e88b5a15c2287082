"""Losses of base and tuned model that are the training's own figures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.errors import CockpitError
from cockpit.results import evaluate
from cockpit.results.messages import Progress
from cockpit.system.run_dir import RunDir
from tests.results.conftest import Said, Train, events


def test_the_figures_are_those_of_the_run(trained: RunDir) -> None:
    tested = [e.loss for e in events(trained) if isinstance(e, ev.Tested)]
    validated = {e.update: e.loss for e in events(trained) if isinstance(e, ev.Validated)}

    on_test = evaluate.run({"run": str(trained.path)}, Said())
    assert (on_test["split"], on_test["checkpoint"]) == ("test", 8)
    assert on_test["tuned"]["loss"] == tested[-1]

    on_valid = evaluate.run({"run": str(trained.path), "split": "valid", "checkpoint": "4"}, Said())
    assert on_valid["tuned"]["loss"] == validated[4]
    # An adapter that has learned nothing yet is the base.
    assert on_valid["base"]["loss"] == validated[0]
    assert on_valid["tuned"]["loss"] < on_valid["base"]["loss"]
    assert on_valid["tuned"]["perplexity"] == pytest.approx(2.718281828 ** validated[4])
    best = min(validated, key=lambda update: validated[update])
    assert on_valid["best_checkpoint"] == {"update": best, "validation_loss": validated[best]}


def test_without_a_test_set_it_says_that_it_took_the_other(
    train: Train, small_data: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(small_data, data)
    (data / "test.jsonl").unlink()
    run = train(data=str(data), iters=1, test=False)
    said = Said()
    found = evaluate.run({"run": str(run.path)}, said)
    assert found["split"] == "valid"
    assert any(isinstance(m, Progress) and m.warning for m in said.messages)
    assert "no test set" in found["notes"][0]

    lines = (data / "valid.jsonl").read_text().splitlines()
    (data / "valid.jsonl").write_text("\n".join(lines[:4]) + "\n")
    assert any(
        "has changed" in note for note in evaluate.run({"run": str(run.path)}, said)["notes"]
    )

    with pytest.raises(CockpitError, match="nothing to evaluate on"):
        evaluate.run({"run": str(run.path), "split": "test"}, said)
    (data / "valid.jsonl").unlink()
    with pytest.raises(CockpitError) as error:
        evaluate.run({"run": str(run.path)}, said)
    assert error.value.exit_code == 2 and str(data) in error.value.message


def test_data_whose_answers_are_all_cut_off_has_no_loss(
    train: Train, small_data: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(small_data, data)
    run = train(data=str(data), iters=1, test=False, mask_prompt=True)
    question = {"role": "user", "content": "cow " * 40}
    row = {"messages": [question, {"role": "assistant", "content": "moo"}]}
    (data / "test.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(CockpitError, match="nothing to evaluate on") as error:
        evaluate.run({"run": str(run.path), "split": "test"}, Said())
    assert "fill max_seq_length (32)" in error.value.message
