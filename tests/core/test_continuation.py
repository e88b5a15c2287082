"""What a changed plan does to a run that goes on: nothing, something that is said, or too much."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.core.checkpoint_state import Patience
from cockpit.core.continuation import differences, effects, is_lossless, version_warnings
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
        ("num_layers", 17),
        ("num_layers", -1),
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
        ("num_layers", 8),
        ("val_batches", -1),
        ("grad_checkpoint", True),
        ("loss_chunks", 4),
        ("long_examples", "split"),
    ],
)
def test_what_changes_the_rest_of_the_run_goes_on_and_is_said(field: str, value: Any) -> None:
    assert changed({}, {field: value}) == [(field, False, True)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("save_every", 7),
        ("steps_per_eval", 7),
        ("keep_last", 7),
        ("early_stopping_patience", 7),
        ("clear_cache_threshold", 7),
        ("guard", "off"),
        ("on_oom", "auto"),
        ("max_recoveries", 7),
        ("floor_seq_length", 7),
        ("floor_num_layers", 7),
    ],
)
def test_what_only_watches_changes_nothing_else(field: str, value: Any) -> None:
    assert changed({}, {field: value}) == [(field, False, False)]
    assert is_lossless(plan(), plan(**{field: value}))


@pytest.mark.parametrize(
    ("before", "now", "refused", "effect"),
    [
        (-1, 12, False, False),
        (12, -1, False, False),
        (0, -1, False, False),
        (-1, 6, False, True),
        (6, -1, True, True),
        (6, 7, True, True),
        (6, 5, False, True),
    ],
)
def test_layers_may_only_become_fewer(before: int, now: int, refused: bool, effect: bool) -> None:
    old = plan(num_layers=before).model_dump(mode="json")
    (found,) = differences(old, plan(num_layers=now), depth=12)
    assert (found.field, found.refused, bool(found.effect)) == ("num_layers", refused, effect)


def test_without_the_depth_all_layers_are_more_than_any_number() -> None:
    assert changed({"num_layers": -1}, {"num_layers": 90}) == [("num_layers", False, True)]
    assert changed({"num_layers": 90}, {"num_layers": -1}) == [("num_layers", True, True)]


BATCH = "batch_size x grad_accumulation_steps"
WHOLE = {"batch_size": 4, "grad_accumulation_steps": 1, "val_batches": 10}
HALVES = {"batch_size": 2, "grad_accumulation_steps": 2, "val_batches": 20}


def test_the_same_examples_an_update_may_go_through_in_other_batches() -> None:
    seen = ("val_batches", False, False)
    assert changed(WHOLE, HALVES) == [(BATCH, False, True), seen]
    assert changed(WHOLE, HALVES | {"grad_accumulation_steps": 1}) == [(BATCH, True, True), seen]


def test_validation_in_other_batches_is_told_by_its_examples() -> None:
    kept = HALVES | {"val_batches": 10}
    assert ("batch_size x val_batches", False, True) in changed(WHOLE, kept)
    every = {"val_batches": -1}
    assert changed(WHOLE | every, HALVES | every) == [(BATCH, False, True)]


SWITCHES: dict[str, dict[str, Any]] = {
    "batch": HALVES,
    "grad_checkpoint": {"grad_checkpoint": True},
    "loss_chunks": {"loss_chunks": 4},
}
DROPOUT = {"lora_parameters": {"dropout": 0.1}}


@pytest.mark.parametrize("name", SWITCHES)
def test_lossless_is_what_changes_the_last_bits_alone(name: str) -> None:
    before, after = plan(**WHOLE), plan(**WHOLE | SWITCHES[name])
    assert is_lossless(before, after)
    (said,) = effects(before, after)
    assert "equal but for the last bits" in said and "dropout" not in said


@pytest.mark.parametrize("name", ["batch", "grad_checkpoint"])
def test_under_dropout_other_masks_are_drawn_and_that_is_said(name: str) -> None:
    before, after = plan(**WHOLE, **DROPOUT), plan(**WHOLE | SWITCHES[name], **DROPOUT)
    assert not is_lossless(before, after)
    (said,) = effects(before, after)
    assert "dropout draws other masks" in said and "last bits" not in said


def test_a_head_that_is_trained_draws_for_every_piece_of_the_loss() -> None:
    head = {"lora_parameters": {"dropout": 0.1, "keys": ["self_attn.q_proj", "lm_head"]}}
    assert not is_lossless(plan(**head), plan(**head, loss_chunks=4))


def test_no_mask_is_drawn_for_the_loss_or_without_adapters() -> None:
    assert is_lossless(plan(**DROPOUT), plan(**DROPOUT, loss_chunks=4))
    full = {"fine_tune_type": "full"} | DROPOUT
    assert is_lossless(plan(**full, **WHOLE), plan(**full, **HALVES))


@pytest.mark.parametrize(
    "fields", [{"max_seq_length": 64}, {"num_layers": 4}, {"long_examples": "split"}, {"seed": 3}]
)
def test_what_learns_something_else_is_not_lossless(fields: dict[str, Any]) -> None:
    assert not is_lossless(plan(), plan(**fields))


def test_effects_are_said_of_everything_that_has_one() -> None:
    after = plan(**HALVES, **{"num_layers": 4, "max_seq_length": 64, "save_every": 3})
    said = effects(plan(**WHOLE), after)
    assert len(said) == 3
    for words in ("dropped layers", "cut at another place", "same examples"):
        assert any(words in sentence for sentence in said)


def test_pieces_and_prompts_have_their_own_consequences() -> None:
    (cut,) = effects(plan(mask_prompt=True), plan(mask_prompt=True, max_seq_length=64))
    assert "prompts alone" in cut
    split = {"long_examples": "split"}
    (pieces,) = effects(plan(**split), plan(**split, max_seq_length=64))
    assert "split at other places" in pieces
    (cut,) = effects(plan(**split), plan())
    assert "are cut" in cut
    (pieces,) = effects(plan(), plan(**split))
    assert "in pieces, where they were cut" in pieces


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
