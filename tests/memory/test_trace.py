"""The forecast beside what real training takes, and what it is made of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlx.utils import tree_flatten

from cockpit.core.forecast import PARTS, MemoryForecast
from cockpit.memory import build
from cockpit.memory.trace import Trace, Trained, trace
from cockpit.trainer import loading
from tests.memory import models

BENCH = Path(__file__).parents[2] / "bench" / "forecast.py"
QUICK_CASES = 8


def traced(config: dict[str, Any] = models.LLAMA, **fields: Any) -> Trace:
    plan = models.plan(**fields)
    shape = (plan.batch_size, plan.max_seq_length)
    return trace(build.from_config_alone(config), plan, shape, shape, Trained())


def forecast(**fields: Any) -> MemoryForecast:
    return traced(**fields).forecast


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Eight plans, trained for real and forecast."""
    out = tmp_path_factory.mktemp("bench") / "quick.json"
    command = [sys.executable, str(BENCH), "--quick", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    cases: list[dict[str, Any]] = json.loads(out.read_text())["cases"]
    return cases


def test_measured_peaks_are_forecast_to_a_fraction_of_a_percent(
    measured: list[dict[str, Any]],
) -> None:
    errors = {case["key"]: case["error"] for case in measured}
    assert len(errors) == QUICK_CASES
    assert all(-0.5 < error < 1.0 for error in errors.values()), errors


def test_measured_peaks_are_inside_the_band(measured: list[dict[str, Any]]) -> None:
    assert [case["key"] for case in measured if not case["inside_band"]] == []


def test_without_run_ahead_they_would_be_far_too_low(measured: list[dict[str, Any]]) -> None:
    assert all(case["floor_error"] < -10 for case in measured)


def test_parts_add_up_and_name_what_is_there() -> None:
    found = forecast()
    assert set(found.parts) == set(PARTS)
    assert sum(found.parts.values()) == found.peak_bytes
    assert all(size >= 0 for size in found.parts.values())
    model = build.from_config_alone(models.LLAMA)
    weights = sum(value.nbytes for _, value in tree_flatten(model.parameters()))
    assert found.parts["weights"] == pytest.approx(weights, rel=0.01)
    assert found.floor_bytes == found.peak_bytes - found.parts["run_ahead"]


def test_levers_move_the_parts_they_should() -> None:
    base, shorter = forecast(), forecast(max_seq_length=33)
    assert shorter.parts["logits_and_loss"] < 0.6 * base.parts["logits_and_loss"]
    assert shorter.parts["attention"] < 0.3 * base.parts["attention"]
    assert forecast(batch_size=1).peak_bytes < 0.7 * base.peak_bytes
    assert forecast(grad_checkpoint=True).parts["activations"] < base.parts["activations"]
    ranked = forecast(lora_parameters={"rank": 32})
    assert ranked.parts["adapters"] == pytest.approx(4 * base.parts["adapters"], rel=0.01)
    assert ranked.parts["optimizer"] == pytest.approx(4 * base.parts["optimizer"], rel=0.01)
    halved = forecast(optimizer="sgd").parts["optimizer"]
    assert halved == pytest.approx(base.parts["optimizer"] / 2, rel=0.01)


def test_accumulation_has_its_own_phases_and_holds_the_sums() -> None:
    alone = [peak.name for peak in traced().peaks]
    assert alone[:3] == ["validation", "update", "first update"] and len(alone) == 4
    accumulated = traced(grad_accumulation_steps=3, iters=3)
    names = [peak.name for peak in accumulated.peaks]
    assert names[:3] == ["validation", "micro-batch", "last micro-batch"]
    assert accumulated.forecast.peak_bytes > forecast().peak_bytes


def test_a_longer_validation_batch_can_be_the_peak() -> None:
    plan = models.plan(grad_checkpoint=True)
    found = trace(build.from_config_alone(models.LLAMA), plan, (2, 33), (2, 513))
    assert found.forecast.notes[0] == "highest in the validation, with 2 x 512 tokens"
    assert found.forecast.peak_phase == "validation"


def test_the_band_of_a_tiny_plan_is_not_narrower_than_a_megabyte() -> None:
    found = forecast(batch_size=1, max_seq_length=9)
    assert found.peak_bytes < 20e6
    assert found.high_bytes >= found.peak_bytes + 1_000_000
    assert found.low_bytes <= found.peak_bytes - 1_000_000


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"num_layers": 2},
        {"fine_tune_type": "dora"},
        {"fine_tune_type": "full", "num_layers": 1},
        {"lora_parameters": {"keys": ["self_attn.q_proj"], "rank": 4}},
    ],
)
def test_the_traced_model_trains_what_the_trainer_trains(fields: dict[str, Any]) -> None:
    plan = models.plan(**fields)
    mine, theirs = (build.from_config_alone(models.LLAMA) for _ in range(2))
    build.make_trainable(mine, plan, "cpu")
    loading.prepare(theirs, plan)

    def shapes(model: Any) -> list[tuple[str, Any]]:
        return [(name, value.shape) for name, value in tree_flatten(model.trainable_parameters())]

    assert shapes(mine) == shapes(theirs)


def test_packed_weights_and_overrides_are_built_as_the_config_says() -> None:
    packing = {"group_size": 32, "bits": 4, "model.layers.0.mlp.up_proj": {"bits": 8}}
    packing["model.layers.1.mlp.up_proj"] = False
    model = build.from_config_alone(models.LLAMA | {"quantization": packing})
    bits = [getattr(layer.mlp.up_proj, "bits", None) for layer in model.layers]
    assert bits == [8, None, 4]
