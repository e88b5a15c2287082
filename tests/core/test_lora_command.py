"""The equivalent command, read back by mlx-lm's own parser."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from cockpit.core.lora_command import CONFIG_NAME, lora_command
from cockpit.core.plan import RunPlan
from cockpit.system import plan_file


def read_back(command: str, folder: Path) -> RunPlan:
    """The plan that mlx-lm would make of it: its flags over its configuration."""
    from mlx_lm import lora

    head, _, rest = command.rpartition("EOF\n")
    if head:
        text = head.partition("<<'EOF'\n")[2]
        (folder / CONFIG_NAME).write_text(text)
    words = shlex.split(rest)
    assert words[:2] == ["mlx_lm.lora", "--train"]
    given = vars(lora.build_parser().parse_args(words[1:]))
    config = given.pop("config")
    fields = plan_file.read_fields(folder / CONFIG_NAME) if config else {}
    del given["train"]
    fields |= {name: value for name, value in given.items() if value is not None}
    return RunPlan.model_validate(fields)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 1, "grad_checkpoint": True, "learning_rate": 3e-5, "seed": 7, "test": True},
        {"data": "my data; rm -rf", "mask_prompt": True, "num_layers": -1, "optimizer": "adamw"},
        {"lora_parameters": {"rank": 32, "scale": 2.0, "dropout": 0.1, "keys": ["q_proj"]}},
        {"lr_schedule": {"name": "cosine_decay", "arguments": [1e-5, 500], "warmup": 10}},
        {"optimizer": "adamw", "optimizer_config": {"adamw": {"weight_decay": 0.1}}},
        {"chat_feature": "conversations"},
    ],
)
def test_mlx_lm_reads_the_same_plan(changes: dict[str, object], tmp_path: Path) -> None:
    plan = RunPlan.model_validate({"model": "org/model", "data": "folder"} | changes)
    assert read_back(lora_command(plan), tmp_path) == plan


def test_what_only_the_cockpit_has_is_left_out() -> None:
    plan = RunPlan(model="m", data="d", loss_chunks=4, guard="off", keep_last=1)
    assert lora_command(plan, model="/models/m") == "mlx_lm.lora --train --model /models/m --data d"
