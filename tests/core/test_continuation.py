"""What a changed plan does to a run that goes on: nothing, something that is said, or too much."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.core.checkpoint_state import Patience
from cockpit.core.continuation import differences, version_warnings
from cockpit.core.plan import RunPlan


def plan(**fields: Any) -> RunPlan:
    return RunPlan.model_validate({"model": "nano", "data": "d"} | fields)


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, bool, bool]]:
    """Each difference by name, with whether it is refused and whether it has an effect."""
    found = differences(plan(**before).model_dump(mode="json"), plan(**now))
    return [(d.field, d.refused, bool(d.effect)) for d in found]


def test_the_same_plan_differs_in_nothing() -> None:
    fields = {"lora_parameters": {"keys": ["a", "b"]}, "sample_prompts": ["x"]}
    assert changed(fields, fields) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fine_tune_type", "dora"),
        ("num_layers", 8),
        ("optimizer", "adamw"),
        ("seed", 1),
        ("mask_prompt", True),
    ],
)
def test_what_the_saved_arrays_depend_on_is_refused(field: str, value: Any) -> None:
    assert changed({}, {field: value}) == [(field, True, True)]


@pytest.mark.parametrize("field", ["rank", "scale", "keys"])
def test_so_is_the_adapter(field: str) -> None:
    value = ["self_attn.q_proj"] if field == "keys" else 4
    found = changed({}, {"lora_parameters": {field: value}})
    assert found == [(f"lora_parameters.{field}", True, True)]


def test_full_fine_tuning_has_no_adapter_to_differ_in() -> None:
    full = {"fine_tune_type": "full"}
    assert changed(full, full | {"lora_parameters": {"rank": 4}}) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 1e-4),
        ("lr_schedule", {"name": "cosine_decay", "arguments": [1e-3, 10]}),
        ("optimizer_config", {"adam": {"betas": [0.8, 0.9]}}),
        ("max_seq_length", 128),
        ("val_batches", -1),
    ],
)
def test_what_changes_the_rest_of_the_run_goes_on_and_is_said(field: str, value: Any) -> None:
    assert changed({}, {field: value}) == [(field, False, True)]


@pytest.mark.parametrize(
    "field", ["save_every", "steps_per_eval", "keep_last", "early_stopping_patience"]
)
def test_what_only_watches_changes_nothing_else(field: str) -> None:
    assert changed({}, {field: 7}) == [(field, False, False)]


def test_the_same_examples_an_update_may_go_through_in_other_batches() -> None:
    name = "batch_size x grad_accumulation_steps"
    before = {"batch_size": 4, "grad_accumulation_steps": 1}
    assert changed(before, {"batch_size": 2, "grad_accumulation_steps": 2}) == [(name, False, True)]
    assert changed(before, {"batch_size": 2}) == [(name, True, True)]


def test_a_field_that_the_checkpoint_does_not_know_is_no_difference() -> None:
    before = plan().model_dump(mode="json")
    del before["keep_every"]
    assert differences(before | {"from_the_future": 1}, plan()) == []


def test_other_versions_are_named() -> None:
    before = {"mlx": "0.32.4", "mlx-lm": "0.32.2", "python": "3.11"}
    assert version_warnings(before, before | {"python": "3.12"}) == []
    (warning,) = version_warnings(before, before | {"mlx": "0.33.0"})
    assert "mlx was 0.32.4 and is 0.33.0" in warning


def test_patience_counts_what_is_not_better_by_enough() -> None:
    patience = Patience()
    seen = []
    for loss in (3.0, 2.0, 1.95, 2.5, 1.8, 1.9):
        patience = patience.after(loss, 0.1)
        seen.append(patience.stale)
    assert seen == [0, 0, 1, 2, 0, 1]
    assert patience.best == 1.8
