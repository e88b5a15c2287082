"""Plans on disk: what is written reads back equal, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cockpit.core.plan import LoraParameters, LrSchedule, RunPlan
from cockpit.errors import CockpitError
from cockpit.system import plan_file

PLANS: list[dict[str, Any]] = [
    {},
    {"lora_parameters": {"rank": 4, "keys": ["self_attn.q_proj"], "dropout": 0.1}},
    {
        "lr_schedule": {"name": "cosine_decay", "arguments": [1e-5, 1000, 1e-7], "warmup": 100},
        "optimizer": "adamw",
        "optimizer_config": {"adamw": {"betas": [0.9, 0.98], "weight_decay": 0.01}},
    },
    {"hf_dataset": {"path": "org/data", "prompt_feature": "q"}, "data": ""},
    {"hf_dataset": [{"path": "a/b"}, {"path": "c/d", "config": {"name": "x"}}]},
    {"name": 'quotes " and \\ and ünïcode \u202e', "sample_prompts": ["What?\n", ""]},
    {"clear_cache_threshold": "2GB", "test": True, "trust_remote_code": True},
]


@pytest.mark.parametrize("fields", PLANS)
def test_a_plan_reads_back_as_it_was_written(tmp_path: Path, fields: dict[str, Any]) -> None:
    plan = RunPlan(**({"model": "nano", "data": "folder"} | fields))
    path = tmp_path / "plan.toml"
    plan_file.write(plan, path)
    assert plan_file.read(path) == plan
    assert list(tmp_path.iterdir()) == [path]


def test_a_configuration_written_for_mlx_lm_is_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "lora_config.yaml"
    path.write_text(
        """
model: "mlx_model"
train: true
fine_tune_type: lora
optimizer: adamw
optimizer_config:
  adamw:
    betas: [0.9, 0.98]
    eps: 1e-6
    weight_decay: 0.05
data: "/path/to/training/data"
seed: 0
num_layers: 16
batch_size: 4
iters: 1000
val_batches: 25
learning_rate: 1e-5
# report_to: wandb
resume_adapter_file: null
save_every: 100
test: false
max_seq_length: 2048
grad_checkpoint: false
clear_cache_threshold: 2GB
lora_parameters:
  keys: ["self_attn.q_proj", "self_attn.v_proj"]
  rank: 8
  scale: 20.0
  dropout: 0.0
lr_schedule:
  name: cosine_decay
  warmup: 100
  warmup_init: 1e-7
  arguments: [1e-5, 1000, 1e-7]
"""
    )
    plan = plan_file.read(path)
    assert plan.learning_rate == 1e-5
    assert plan.clear_cache_threshold == 2_000_000_000
    assert plan.optimizer_config == {
        "adamw": {"betas": [0.9, 0.98], "eps": 1e-6, "weight_decay": 0.05}
    }
    keys = ("self_attn.q_proj", "self_attn.v_proj")
    assert plan.lora_parameters == LoraParameters(keys=keys)
    assert plan.lr_schedule == LrSchedule(
        name="cosine_decay", arguments=(1e-5, 1000, 1e-7), warmup=100, warmup_init=1e-7
    )


def test_yaml_numbers_are_those_mlx_lm_reads(tmp_path: Path) -> None:
    import yaml
    from mlx_lm.lora import yaml_loader

    text = "a: 1e-5\nb: 1.5e-05\nc: 1e5\nd: .5\ne: -1\nf: 1_000\ng: 2e3\nh: '1e-5'\ni: 1.\n"
    (tmp_path / "config.yaml").write_text(text)
    assert plan_file.read_fields(tmp_path / "config.yaml") == yaml.load(text, yaml_loader)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("plan.toml", 'model = "nano"\ndata = "d"\nbatchsize = 4\n', "did you mean 'batch_size'"),
        ("plan.toml", 'model = "nano"\ndata = "d"\niters = "many"\n', "iters"),
        ("plan.toml", 'data = "d"\n', "model is missing"),
        ("plan.toml", 'model = "nano\n', "line 1"),
        ("plan.toml", 'model = "nano"\ndata = "d"\n[lora_parameters]\nalpha = 16\n', "scale"),
        ("plan.yaml", "model: nano\ndata: d\nlora_parameters: {rnk: 4}\n", "did you mean 'rank'"),
        ("plan.yaml", "model: [nano\n", "line"),
        ("plan.yaml", "just words\n", "key: value"),
        ("plan.yaml", "", "key: value"),
        ("plan.yaml", "model: nano\ndata: d\nlearning_rate: -1e-5\n", "got -1e-05"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CockpitError) as caught:
        plan_file.read(path)
    assert str(path) in caught.value.message
    assert said in str(caught.value)
    assert caught.value.remedy
    assert caught.value.exit_code == 2


def test_every_wrong_field_is_named_at_once() -> None:
    fields = {"model": "nano", "data": "d", "batch_size": 0, "iters": -1}
    with pytest.raises(CockpitError) as caught:
        plan_file.validate(fields, "command line")
    assert "batch_size" in caught.value.message
    assert "iters" in caught.value.message


def test_a_plan_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing.toml", tmp_path / "binary.toml", tmp_path):
        with pytest.raises(CockpitError) as caught:
            plan_file.read(path)
        assert str(path) in caught.value.message


def test_a_reader_never_sees_half_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    old = RunPlan(model="nano", data="old")
    plan_file.write(old, path)
    with path.open("rb") as reader:
        plan_file.write(RunPlan(model="nano", data="new" * 1000), path)
        assert b"old" in reader.read()
    assert plan_file.read(path).data == "new" * 1000
