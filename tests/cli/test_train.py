"""``cockpit train``: a real run from the command line, and the documents scripts read."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Cockpit

TRAIN_KEYS = {
    "run",
    "status",
    "iterations",
    "predicted_peak_bytes",
    "measured_peak_bytes",
    "final_train_loss",
    "adapter_path",
}


def test_a_run_ends_with_its_document_alone_on_standard_output(
    cockpit: Cockpit, short: list[str], home: Path
) -> None:
    done = cockpit("train", *short, "--json")
    assert done.code == 0, done.err
    assert done.document.keys() >= TRAIN_KEYS
    assert done.document["status"] == "completed"
    assert done.document["iterations"] == 6
    assert done.document["measured_peak_bytes"] > 1_000_000
    assert (Path(done.document["adapter_path"]) / "adapters.safetensors").is_file()
    assert done.document["adapter_path"].startswith(str(home))


def test_progress_is_said_on_standard_error(cockpit: Cockpit, short: list[str]) -> None:
    done = cockpit("train", *short, "--json")
    assert "update 2/6" in done.err
    assert "validation loss" in done.err
    assert "completed after 6 updates" in done.err
    # And before it what will surprise.
    assert "max_seq_length 2048 is beyond the 512 the model was made for" in done.err


def test_without_json_the_curve_is_drawn(cockpit: Cockpit, short: list[str]) -> None:
    done = cockpit("train", *short)
    assert "loss" in done.out
    assert "update" in done.out
    assert "\x1b[" not in done.out


def test_a_detached_run_is_listed_attached_to_and_shown(cockpit: Cockpit, short: list[str]) -> None:
    started = cockpit("train", *short, "--detach", "--json").document
    assert started["status"] in ("starting", "running", "completed")
    attached = cockpit("attach", started["run"], "--json").document
    assert attached["status"] == "completed"
    (listed,) = cockpit("runs", "--json").document["runs"]
    assert listed["run"] == started["run"]
    assert listed["final_train_loss"] == attached["final_train_loss"]
    shown = cockpit("show", started["run"], "--json").document
    assert shown["checkpoints"] == [3, 6]
    assert shown["plan"]["batch_size"] == 2


def test_only_checkpoints_that_are_still_there_are_listed(
    cockpit: Cockpit, short: list[str]
) -> None:
    done = cockpit("train", *short, "--keep-last", "1", "--no-keep-best", "--save-every", "1")
    assert done.code == 0, done.err
    assert cockpit("show", "latest", "--json").document["checkpoints"] == [6]
    (line,) = (k for k in cockpit("show", "latest").out.splitlines() if k.startswith("checkpoints"))
    assert line.split() == ["checkpoints", "6"]


def test_a_stopped_run_keeps_a_checkpoint(cockpit: Cockpit, short: list[str]) -> None:
    endless = [flag if flag != "6" else "100000" for flag in short]
    started = cockpit("train", *endless, "--detach", "--json").document
    cockpit("stop", started["run"])
    ended = cockpit("attach", started["run"], "--json").document
    assert ended["status"] == "stopped"
    assert ended["iterations"] < 100_000


def test_a_configuration_of_mlx_lm_is_accepted_as_it_is(
    cockpit: Cockpit, tmp_path: Path, short: list[str]
) -> None:
    config = tmp_path / "lora_config.yaml"
    config.write_text(
        """
model: "nano"
train: true
fine_tune_type: lora
optimizer: adamw
optimizer_config:
  adamw: {betas: [0.9, 0.98], eps: 1e-6, weight_decay: 0.05, bias_correction: true}
data: "placeholder"
seed: 0
num_layers: 2
batch_size: 2
iters: 4
val_batches: 1
learning_rate: 1e-5
steps_per_report: 1
steps_per_eval: 4
resume_adapter_file: null
adapter_path: "adapters"
save_every: 4
test: false
max_seq_length: 128
grad_checkpoint: false
lora_parameters:
  keys: ["self_attn.q_proj", "self_attn.v_proj"]
  rank: 8
  scale: 20.0
  dropout: 0.0
lr_schedule: {name: cosine_decay, warmup: 2, warmup_init: 1e-7, arguments: [1e-5, 1000, 1e-7]}
"""
    )
    done = cockpit("train", "-c", config, "--data", short[-1], "--json")
    assert done.code == 0, done.err
    shown = cockpit("show", "latest", "--json").document
    assert shown["plan"]["optimizer_config"]["adamw"]["eps"] == 1e-6
    assert shown["plan"]["lora_parameters"]["keys"] == ["self_attn.q_proj", "self_attn.v_proj"]


def test_the_plan_of_a_run_starts_another(cockpit: Cockpit, short: list[str]) -> None:
    first = cockpit("train", *short, "--json").document
    folder = cockpit("show", first["run"], "--json").document["folder"]
    again = cockpit("train", Path(folder) / "plan.toml", "--json").document
    assert again["run"] != first["run"]
    assert again["final_train_loss"] == first["final_train_loss"]


def test_the_trainer_speaks_json_lines_only(cockpit: Cockpit, short: list[str], home: Path) -> None:
    name = cockpit("train", *short, "--json").document["run"]
    lines = (home / "runs" / name / "attempts/001/trainer.jsonl").read_bytes().splitlines()
    events = [json.loads(line) for line in lines]
    assert [e["update"] for e in events if e["type"] == "update"] == [1, 2, 3, 4, 5, 6]
    assert [e["update"] for e in events if e["type"] == "validation"] == [0, 3, 6]
    assert events[-1]["type"] == "end"
