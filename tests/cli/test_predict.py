"""``cockpit predict``, and the forecast that stands before a launch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cockpit.cli.predict import part_rows, round_together
from cockpit.core.forecast import MemoryForecast
from cockpit.embedded import demo_data_path, nano_path
from tests.cli.conftest import Cockpit

PREDICT_KEYS = {
    "peak_bytes",
    "low_bytes",
    "high_bytes",
    "budget_bytes",
    "fits",
    "method",
    "parts",
}
# 110 MB for a run, some 80 of it for the process: nano's default plan at full length needs more,
# one with smaller batches less.
TINY = """
title = "A machine of 170 MB"
backend = "cpu"
ram = "170 MB"
system_reserved = "60 MB"
"""


@pytest.fixture
def tiny(home: Path) -> str:
    (home / "profiles").mkdir(parents=True)
    (home / "profiles" / "tiny.toml").write_text(TINY)
    return "tiny"


def test_the_document_of_a_plan_with_data(cockpit: Cockpit) -> None:
    done = cockpit("predict", "--model", "nano", "--data", demo_data_path(), "--json")
    found = done.document
    assert done.code == 0 and found.keys() >= PREDICT_KEYS
    assert found["method"] == "trace" and found["fits"] is True
    assert sum(found["parts"].values()) == found["peak_bytes"]
    assert found["low_bytes"] <= found["peak_bytes"] <= found["high_bytes"]
    assert found["longest_batch_tokens"] == 32
    assert found["full_length_peak_bytes"] > 10 * found["peak_bytes"]


def test_a_plan_for_a_person(cockpit: Cockpit) -> None:
    done = cockpit("predict", "--model", "nano", "--data", demo_data_path())
    assert done.out.startswith("with your data 15 MB (longest batch 32 tokens); at full length 2.2")
    rows = done.out.partition("PART")[2].partition("\n\n")[0].splitlines()[1:]
    table = [float(row.split()[-2]) for row in rows]
    assert len(table) > 5
    assert sum(table[:-1]) == pytest.approx(table[-1], abs=1e-6)
    assert "traced" in done.out and "fits: the budget of This machine" in done.out


def test_without_data_and_for_another_machine(cockpit: Cockpit, tiny: str) -> None:
    done = cockpit("predict", "--model", "nano", "--profile", tiny, "--json")
    assert done.document["fits"] is False
    assert done.document["budget_bytes"] == 110_000_000
    assert done.document["longest_batch_tokens"] is None
    said = cockpit("predict", "--model", "smollm2-135m", "--batch-size", 1, "--profile", "m2-air-8")
    assert said.out.startswith("at full length") and "unvalidated" in said.out


@pytest.mark.parametrize(
    ("flags", "phrase"),
    [
        (["--model", "no-such-model"], "no such model"),
        (["--model", "nano", "--data", "nowhere"], "nowhere"),
        (["--model", "nano", "--profile", "no-such-mac"], "no-such-mac"),
        (["--model", "nano", "--batch-size", "0"], "batch_size"),
        ([], "model"),
        (["--model", "nano", "--keys", "foo"], "Nothing would be trained"),
        (["--model", "nano", "--num-layers", "999"], "fewer layers"),
        (["--model", "nano", "--batch-size", "99999999999999999999"], "batch_size"),
        (["--model", "nano", "--max-seq-length", "99999999999"], "max_seq_length"),
    ],
)
def test_a_wrong_request_is_named(cockpit: Cockpit, flags: list[str], phrase: str) -> None:
    done = cockpit("predict", *flags)
    assert done.code == 2 and phrase in done.err and "->" in done.err


def nano_with(folder: Path, **config: Any) -> Path:
    """nano's files under another config.json."""
    shutil.copytree(nano_path(), folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


@pytest.mark.parametrize(
    ("config", "phrase"),
    [
        ({"model_type": "warpdrive"}, "warpdrive"),
        ({"num_hidden_layers": -3}, "num_hidden_layers is -3"),
        ({"num_hidden_layers": 8}, "cannot be loaded"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "fit"])
def test_a_model_that_train_refuses_has_no_price(
    cockpit: Cockpit, tmp_path: Path, command: str, config: dict[str, Any], phrase: str
) -> None:
    model = nano_with(tmp_path / "model", **config)
    done = cockpit(command, "--model", model, "--json")
    assert done.code == 2 and set(done.document) == {"error"}
    said = done.document["error"]
    assert phrase in said["title"] + said["message"] and said["remedy"]


def test_a_model_without_its_weights_is_priced_and_the_note_says_so(
    cockpit: Cockpit, tmp_path: Path
) -> None:
    model = nano_with(tmp_path / "model")
    (model / "model.safetensors").unlink()
    done = cockpit("predict", "--model", model, "--json")
    assert done.code == 0 and done.document["method"] == "trace"
    assert "the weights are not here" in done.err
    # That every example is longer than the model knows is said as the Choose screen says it.
    assert "max_seq_length 2048 is beyond the 512 the model was made for" in done.err


def test_what_does_not_fit_is_not_launched_without_a_word(
    cockpit: Cockpit, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a machine with far too little memory, which only the process's detection is told."""
    small = tmp_path / "small"
    small.mkdir()
    (small / "sitecustomize.py").write_text(
        "import cockpit.system.hardware as hardware\n"
        "from cockpit.core.profiles import parse_profile\n"
        f"hardware.detect = lambda: parse_profile({TINY!r}, 'this-machine')\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{small}:{Path(__file__).parents[2]}")
    data = tmp_path / "data"
    data.mkdir()
    line = '{"text": "' + "a story that goes on " * 20 + '"}\n'
    (data / "train.jsonl").write_text(line * 16)
    plan: list[Any] = ["train", "--model", "nano", "--data", data, "--iters", 2, "--batch-size", 4]
    refused = cockpit(*plan, "--json")
    assert refused.code == 2 and not (home / "runs").exists()
    assert "--batch-size 1" in refused.document["error"]["remedy"]
    assert "--anyway" in refused.document["error"]["remedy"]
    fitted = cockpit(*plan, "--fit", "--json")
    assert fitted.code == 0 and "cheapest plan that fits" in fitted.err
    assert fitted.document["predicted_peak_bytes"] <= 40_000_000
    assert fitted.document["measured_peak_bytes"] <= 42_000_000
    anyway = cockpit(*plan, "--anyway", "--json")
    assert anyway.code == 0 and anyway.document["predicted_peak_bytes"] > 40_000_000


def test_shown_parts_add_up_however_they_round() -> None:
    parts = {"weights": 1_004_999_999, "adapters": 5_000_001, "activations": 15_000_000}
    assert sum(round_together(parts, 1e7).values()) == round(sum(parts.values()) / 1e7)
    forecast = MemoryForecast(
        peak_bytes=sum(parts.values()),
        low_bytes=0,
        high_bytes=2 * 10**9,
        parts=parts,
        method="trace",
    )
    rows = [float(text.split()[0]) for _, text in part_rows(forecast)]
    assert sum(rows[:-1]) == pytest.approx(rows[-1], abs=1e-9) == pytest.approx(1.02, abs=0.011)
