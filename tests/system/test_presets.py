"""Presets: every one is a plan, and what they work out follows from the data and the pace."""

from __future__ import annotations

import pytest

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import presets
from cockpit.system.presets import Preset, Size

PLAN = RunPlan(model="nano", data="/data", iters=400, lr_schedule=None)
SCHEDULE = {"name": "cosine_decay", "arguments": (1e-3, 100)}


def applied(preset: Preset, plan: RunPlan, *, examples: int | None = 400) -> RunPlan:
    """``plan`` by a preset, of whose model's weights nothing is known."""
    fields = presets.nested(preset.fields(None))
    lora = plan.lora_parameters.model_dump() | fields.pop("lora_parameters", {})
    changed = plan.with_changes(**fields, lora_parameters=lora)
    length = preset.length(presets.size_of(changed, examples, None))
    return changed.with_changes(**length.changes)


@pytest.mark.parametrize("preset", presets.load(), ids=lambda preset: str(preset.name))
@pytest.mark.parametrize("examples", [3, 400, None])
def test_every_preset_is_a_plan_on_any_data(preset: Preset, examples: int | None) -> None:
    plan = applied(preset, PLAN, examples=examples)
    assert plan.model == PLAN.model and plan.data == PLAN.data
    assert plan.updates >= 1
    assert preset.about == preset.about.strip() and "\n" not in preset.about
    assert preset.in_words()


def test_the_table_has_what_people_look_for() -> None:
    names = [preset.name for preset in presets.load()]
    assert names == ["quick-test", "overnight", "mac-8gb-night", "mac-18gb-short"]


def test_the_eight_gigabyte_plan_is_that_of_the_field_notes() -> None:
    plan = applied(presets.find("mac-8gb-night"), PLAN)
    assert plan.lora_parameters.rank == 32 and plan.lora_parameters.scale == 64 / 32
    assert plan.examples_per_update == 128 and plan.batch_size == 4
    assert plan.max_seq_length == 2048 and plan.grad_checkpoint
    assert plan.iters == 15_000 and plan.optimizer == "adamw" and plan.save_every == 500


def test_a_quick_test_keeps_the_size_of_an_update() -> None:
    plan = PLAN.with_changes(grad_accumulation_steps=8, max_seq_length=512)
    quick = applied(presets.find("quick-test"), plan)
    assert quick.updates == 20 and quick.examples_per_update == plan.examples_per_update
    assert quick.max_seq_length == 512
    assert quick.in_updates(quick.steps_per_eval) == 10


def test_a_night_is_as_many_updates_as_the_pace_allows() -> None:
    length = presets.find("overnight").length(Size(4, 2, 1_000_000, seconds_per_example=0.25))
    updates = length.changes["iters"] / 2
    # Eight hours less a tenth, at 2 s an update.
    assert updates == 8 * 3600 * 0.9 / 2
    assert length.note == "8 hours at 2 s an update"


def test_a_night_on_little_data_is_not_spent_on_repeating_it() -> None:
    length = presets.find("overnight").length(Size(4, 1, 400, seconds_per_example=0.01))
    assert length.changes["iters"] == 10 * 100
    assert "10 epochs take 40s" in length.note


def test_without_a_pace_a_night_says_what_it_takes_instead() -> None:
    length = presets.find("overnight").length(Size(4, 1, 400))
    assert length.epochs == 3 and length.changes["iters"] == 300
    assert "no run like it was timed yet" in length.note
    assert presets.find("overnight").length(Size(4, 1, None)).changes == {}


@pytest.mark.parametrize(
    ("bits", "rate"), [(3, 2e-4), (4, 2e-4), (6, 1e-4), (8, 1e-4), (None, 5e-5)]
)
def test_the_rate_follows_the_packing_and_ends_a_schedule(bits: int | None, rate: float) -> None:
    fields = presets.find("mac-18gb-short").fields(bits)
    assert fields["learning_rate"] == rate
    plan = PLAN.with_changes(lr_schedule=SCHEDULE)
    assert plan.with_changes(**presets.nested(fields)).lr_schedule is None


def test_a_preset_that_sets_no_rate_leaves_the_schedule_alone() -> None:
    assert "lr_schedule" not in presets.find("quick-test").fields(None)


def test_the_packing_of_a_model_that_is_not_here_is_told_by_the_catalogue() -> None:
    assert presets.weight_bits("mlx-community/SmolLM2-135M-4bit") == 4
    assert presets.weight_bits("nano") is None
    assert presets.weight_bits("no/such-model-8bit") is None


def test_a_name_that_is_none_is_answered_with_those_that_are() -> None:
    with pytest.raises(CockpitError) as told:
        presets.find("over-night")
    assert "quick-test" in told.value.message and "overnight" in told.value.remedy
