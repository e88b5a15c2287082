"""The plan form's values: typed texts, their problems, and iterations from epochs."""

from __future__ import annotations

import pytest

from cockpit.core.plan import RunPlan
from cockpit.ui import plan_fields
from cockpit.ui.plan_draft import PlanDraft
from tests.ui.conftest import demo_plan


@pytest.fixture
def draft() -> PlanDraft:
    return PlanDraft(RunPlan(model="nano", data="/data"))


def test_every_field_of_the_plan_is_in_the_form() -> None:
    shown = set(plan_fields.all_fields())
    missing = set(RunPlan.model_fields) - shown - {"model", "lora_parameters"}
    assert not missing
    assert {"rank", "scale", "dropout", "keys"} <= shown


def test_a_plan_goes_through_the_form_unchanged() -> None:
    plan = demo_plan(
        optimizer="adamw", optimizer_config={"adamw": {"weight_decay": 0.1}},
        sample_prompts=["What does a cow say?"], resume_adapter_file="a.safetensors",
        lora_parameters={"rank": 4, "scale": 2.5, "dropout": 0.1, "keys": ["self_attn.q_proj"]},
    )  # fmt: skip
    assert PlanDraft(plan).plan("nano") == plan


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("batch_size", "four", "must be a whole number"),
        ("batch_size", "0", "must be at least 1"),
        ("batch_size", "2.5", "must be a whole number"),
        ("batch_size", "", "a value is needed"),
        ("learning_rate", "0", "must be more than 0"),
        ("learning_rate", "nan", "must be more than 0"),
        ("dropout", "1", "must be less than 1"),
        ("epochs", "-1", "must be a number more than 0"),
        ("data", "", "name a folder with train.jsonl"),
        ("lr_schedule", "{", "neither TOML nor JSON"),
    ],
)
def test_a_wrong_text_is_named_in_words(
    draft: PlanDraft, name: str, text: str, problem: str
) -> None:
    draft.set(name, text)
    assert draft.problem(name) == problem
    with pytest.raises(ValueError, match=name):
        draft.plan("nano")


def test_a_schedule_may_be_toml_or_json(draft: PlanDraft) -> None:
    for text in (
        '{name = "cosine_decay", arguments = [1e-4, 500]}',
        '{"name": "cosine_decay", "arguments": [1e-4, 500]}',
    ):
        draft.set("lr_schedule", text)
        schedule = draft.plan("nano").lr_schedule
        assert schedule is not None and schedule.arguments == (1e-4, 500)


def test_what_only_the_whole_plan_shows_is_said_too(draft: PlanDraft) -> None:
    draft.set("grad_accumulation_steps", "64")
    draft.set("iters", "32")
    with pytest.raises(ValueError, match="not one update"):
        draft.plan("nano")


def test_epochs_set_iters_once_the_examples_are_counted(draft: PlanDraft) -> None:
    draft.set("epochs", "3")
    assert draft.text("iters") == "1000"
    draft.train_examples = 400
    assert draft.text("iters") == "300"
    draft.set("batch_size", "8")
    assert draft.text("iters") == "150"
    draft.set("grad_accumulation_steps", "4")
    assert int(draft.text("iters")) % 4 == 0


def test_iters_set_epochs_when_they_were_typed_last(draft: PlanDraft) -> None:
    draft.train_examples = 400
    draft.set("epochs", "3")
    draft.set("iters", "50")
    assert draft.text("epochs") == "0.5"
    draft.set("batch_size", "8")
    assert draft.text("iters") == "50"


def test_epochs_are_unknown_without_data(draft: PlanDraft) -> None:
    draft.train_examples = 400
    draft.train_examples = None
    assert draft.text("epochs") == ""


@pytest.mark.parametrize(
    ("name", "up", "down"),
    [
        ("batch_size", "8", "2"),
        ("num_layers", "17", "15"),
        ("learning_rate", "2e-05", "5e-06"),
        ("fine_tune_type", "dora", "full"),
        ("grad_checkpoint", "on", "on"),
    ],
)
def test_arrows_step_through_sensible_values(
    draft: PlanDraft, name: str, up: str, down: str
) -> None:
    before = draft.text(name)
    assert draft.step(name, 1) and draft.text(name) == up
    draft.set(name, before)
    assert draft.step(name, -1) and draft.text(name) == down


def test_arrows_never_step_to_what_is_not_allowed(draft: PlanDraft) -> None:
    draft.set("batch_size", "1")
    assert draft.step("batch_size", -1)
    assert draft.text("batch_size") == "1"
    draft.set("num_layers", "-1")
    assert not draft.step("num_layers", -1)
    assert not draft.step("data", 1)


def test_another_base_keeps_what_the_person_set(draft: PlanDraft) -> None:
    draft.set("batch_size", "2")
    draft.rebase(demo_plan())
    assert draft.text("batch_size") == "2"
    assert draft.text("max_seq_length") == str(demo_plan().max_seq_length)
