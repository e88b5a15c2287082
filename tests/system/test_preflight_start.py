"""Weights to start from: their own shape is taken, or what differs is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import preflight_start
from tests.system.model_folders import write_safetensors

# What mlx_lm.lora writes beside its adapters, but for fields that do not shape them.
MLX_LM = {
    "fine_tune_type": "dora",
    "num_layers": 4,
    "lora_parameters": {"rank": 16, "dropout": 0.1, "scale": 10.0},
    "model": "somewhere/else",
    "learning_rate": 1e-5,
}


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    name = "model.layers.0.self_attn.q_proj.lora_a"
    write_safetensors(folder / "adapters.safetensors", {name: (32, 16)})
    (folder / "adapter_config.json").write_text(json.dumps(MLX_LM))
    return folder


def plan(adapter: Path, **fields: Any) -> RunPlan:
    fields = {"model": "nano", "data": "d", "resume_adapter_file": str(adapter)} | fields
    return preflight_start.adopt(RunPlan.model_validate(fields))


def refusals(asked: RunPlan, depth: int | None = None) -> list[str]:
    found = list(preflight_start.check(asked, depth))
    assert all(isinstance(issue, CockpitError) and issue.remedy for issue in found)
    return [str(issue) for issue in found]


def test_what_the_plan_leaves_open_is_the_adapters(adapter: Path) -> None:
    found = plan(adapter, learning_rate=3e-4)
    assert (found.fine_tune_type, found.num_layers) == ("dora", 4)
    lora = found.lora_parameters
    assert (lora.rank, lora.scale, lora.keys, lora.dropout) == (16, 10.0, None, 0.0)
    assert found.learning_rate == 3e-4
    assert refusals(found) == []
    assert plan(adapter / "adapters.safetensors") == plan(adapter).with_changes(
        resume_adapter_file=str(adapter / "adapters.safetensors")
    )


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"lora_parameters": {"rank": 8}}, "lora_parameters.rank is 16 there and 8 in the plan"),
        ({"lora_parameters": {"scale": 20.0}}, "lora_parameters.scale is 10.0 there and 20.0"),
        ({"lora_parameters": {"keys": ["self_attn.q_proj"]}}, "lora_parameters.keys is None there"),
        ({"num_layers": 8}, "num_layers is 4 there and 8"),
        ({"fine_tune_type": "lora"}, "fine_tune_type is dora there and lora"),
    ],
)
def test_what_the_plan_says_otherwise_is_refused_by_name(
    adapter: Path, fields: dict[str, Any], named: str
) -> None:
    (said,) = refusals(plan(adapter, **fields))
    assert named in said and str(adapter) in said


def test_all_layers_are_all_layers_by_number_too(adapter: Path) -> None:
    assert refusals(plan(adapter, num_layers=-1), depth=4) == []
    assert refusals(plan(adapter, num_layers=-1), depth=6) != []


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{"])
def test_without_a_readable_configuration_the_weights_own_rank_decides(
    adapter: Path, content: bytes | None
) -> None:
    path = adapter / "adapter_config.json"
    path.unlink() if content is None else path.write_bytes(content)
    (said,) = refusals(plan(adapter))
    assert "rank 16, the plan's is 8" in said
