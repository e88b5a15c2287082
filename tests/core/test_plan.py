"""A plan is what mlx_lm.lora reads, checked when it is made and never changed after."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cockpit.core.plan import OPTIMIZER_ARGUMENTS, SCHEDULE_ARGUMENTS, RunPlan, iters_for_epochs


def plan(**fields: Any) -> RunPlan:
    return RunPlan(**({"model": "nano", "data": "folder"} | fields))


def test_the_defaults_are_those_of_mlx_lm() -> None:
    from mlx_lm.lora import CONFIG_DEFAULTS

    own = plan().model_dump()
    ours = {"model", "data", "adapter_path"}  # named by the person, or kept in the run
    for key in set(CONFIG_DEFAULTS) & set(own) - ours:
        expected = CONFIG_DEFAULTS[key]
        if key == "lora_parameters":
            assert {name: own[key][name] for name in expected} == expected
        elif key == "optimizer_config":
            assert not any(expected.values())
        else:
            assert own[key] == expected, key


def test_every_key_of_mlx_lm_is_a_field_or_a_word_of_its_command() -> None:
    from mlx_lm.lora import CONFIG_DEFAULTS

    from cockpit.system.plan_file import MLX_LM_COMMAND_KEYS

    assert set(CONFIG_DEFAULTS) - MLX_LM_COMMAND_KEYS <= set(RunPlan.model_fields)


def test_optimizers_and_schedules_take_the_arguments_mlx_gives_them() -> None:
    import inspect

    import mlx.optimizers as optim
    from mlx.optimizers import schedulers

    classes = {"adam": "Adam", "adamw": "AdamW", "muon": "Muon", "sgd": "SGD"}
    classes["adafactor"] = "Adafactor"
    for name, accepted in OPTIMIZER_ARGUMENTS.items():
        parameters = set(inspect.signature(getattr(optim, classes[name])).parameters)
        assert accepted == parameters - {"learning_rate"}, name
    for name, (fewest, most) in SCHEDULE_ARGUMENTS.items():
        parameters = inspect.signature(getattr(schedulers, name)).parameters.values()
        needed = [p for p in parameters if p.default is p.empty]
        assert (fewest, most) == (len(needed), len(parameters)), name


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"iters": 0}, "iters"),
        ({"max_seq_length": 1}, "max_seq_length"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"num_layers": -2}, "num_layers"),
        ({"optimizer": "lion"}, "optimizer"),
        ({"fine_tune_type": "qlora"}, "fine_tune_type"),
        ({"seed": -1}, "seed"),
        ({"lora_parameters": {"rank": 0}}, "rank"),
        ({"lora_parameters": {"dropout": 1.0}}, "dropout"),
        ({"lora_parameters": {"alpha": 16}}, "alpha"),
        ({"batchsize": 4}, "batchsize"),
        ({"optimizer_config": {"adam": {"momentum": 0.9}}}, "momentum"),
        ({"optimizer_config": {"lion": {}}}, "lion"),
        ({"lr_schedule": {"name": "cosine", "arguments": [1e-4, 10]}}, "cosine_decay"),
        ({"lr_schedule": {"name": "cosine_decay", "arguments": [1e-4]}}, "2 to 3 arguments"),
        ({"clear_cache_threshold": "2TB"}, "TB"),
        ({"data": ""}, "data is missing"),
        ({"iters": 3, "grad_accumulation_steps": 4}, "not one update"),
    ],
)
def test_an_impossible_value_is_refused_by_name(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        plan(**fields)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("2GB", 2_000_000_000), ("1.5G", 1_500_000_000), ("500MB", 500_000_000), ("4096", 4096)],
)
def test_a_size_may_be_written_as_mlx_lm_lets_it(text: str, size_bytes: int) -> None:
    from mlx_lm.utils import _parse_size

    assert plan(clear_cache_threshold=text).clear_cache_threshold == size_bytes
    assert _parse_size(text) == size_bytes


@pytest.mark.parametrize(("iters", "accumulation", "updates"), [(10, 1, 10), (10, 4, 2), (4, 4, 1)])
def test_an_incomplete_accumulation_makes_no_update(
    iters: int, accumulation: int, updates: int
) -> None:
    asked = plan(iters=iters, grad_accumulation_steps=accumulation, batch_size=3)
    assert asked.updates == updates
    assert asked.iterations == updates * accumulation
    assert asked.examples_per_update == 3 * accumulation


def test_intervals_are_given_in_iterations_and_kept_in_updates() -> None:
    asked = plan(grad_accumulation_steps=4, iters=100)
    assert [asked.in_updates(n) for n in (1, 4, 5, 100)] == [1, 1, 2, 25]


def test_a_plan_cannot_be_changed_only_copied() -> None:
    asked = plan()
    with pytest.raises(ValidationError):
        asked.batch_size = 8
    changed = asked.with_changes(batch_size=8, lora_parameters={"rank": 4})
    assert (changed.batch_size, changed.lora_parameters.rank) == (8, 4)
    assert asked.batch_size == 4
    with pytest.raises(ValidationError, match="batch_size"):
        asked.with_changes(batch_size=0)


def test_a_copy_still_knows_what_was_asked_for() -> None:
    asked = plan(num_layers=16).with_changes(iters=7)
    assert "num_layers" in asked.model_fields_set
    assert "batch_size" not in asked.model_fields_set


@pytest.mark.parametrize(
    ("epochs", "examples", "batch_size", "accumulation", "iters"),
    [
        (1, 100, 4, 1, 25),
        (2, 100, 4, 5, 50),
        (0.5, 100, 4, 1, 12),
        (1, 3, 4, 1, 1),
        (0.1, 4, 4, 3, 3),
    ],
)
def test_iterations_for_epochs_are_whole_updates(
    epochs: float, examples: int, batch_size: int, accumulation: int, iters: int
) -> None:
    found = iters_for_epochs(epochs, examples, batch_size, accumulation)
    assert found == iters
    assert found % accumulation == 0
