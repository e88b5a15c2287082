"""Verdicts follow from forecasts, and what was traced is not traced again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cockpit import catalogue
from cockpit.core.plan import RunPlan
from cockpit.memory import verdicts
from cockpit.memory.client import TraceError, Worker
from cockpit.memory.verdicts import PriceList, Subject
from tests.memory.models import LLAMA

PLAN = RunPlan(model="-", data="-", batch_size=1, max_seq_length=1025, num_layers=2)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    started = Worker()
    yield started
    started.close()


@pytest.fixture
def prices(worker: Worker, tmp_path: Path) -> PriceList:
    return PriceList(worker, "cpu", None, tmp_path / "cache" / "forecasts.json")


def subject(**config: Any) -> Subject:
    return Subject(name="small", packing="16-bit", config=LLAMA | config)


def test_the_budget_decides(prices: PriceList) -> None:
    asked = prices.ask(subject(), PLAN)
    verdict = verdicts.judge(subject(), PLAN, asked.needed_bytes, prices.ask)
    assert verdict.fits == "fits" and verdict.trains and not verdict.flags
    assert verdict.peak_bytes == asked.peak_bytes
    less = verdicts.judge(subject(), PLAN, asked.needed_bytes - 1, prices.ask)
    assert less.fits == "fits with changes" and less.flags.startswith("--")
    changed = prices.ask(subject(), PLAN.with_changes(**less.changes))
    assert changed.needed_bytes <= asked.needed_bytes - 1
    none = verdicts.judge(subject(), PLAN, asked.parts["weights"] - 1, prices.ask)
    assert none.fits == "does not fit"


def test_what_was_traced_is_on_disk(prices: PriceList, worker: Worker, tmp_path: Path) -> None:
    first = prices.ask(subject(), PLAN)
    assert prices.traced == 1
    again = PriceList(worker, "cpu", None, tmp_path / "cache" / "forecasts.json")
    assert again.ask(subject(), PLAN) == first and again.traced == 0
    again.ask(subject(), PLAN.with_changes(batch_size=2))
    again.ask(subject(vocab_size=999), PLAN)
    assert again.traced == 2


@pytest.mark.parametrize("damage", ["", "[]", '{"made_with": {}, "forecasts": 3}', "{"])
def test_a_cache_that_is_old_or_damaged_is_not_used(
    prices: PriceList, worker: Worker, tmp_path: Path, damage: str
) -> None:
    prices.ask(subject(), PLAN)
    path = tmp_path / "cache" / "forecasts.json"
    document = json.loads(path.read_text())
    assert document["made_with"] == verdicts.made_with()
    path.write_text(damage or json.dumps(document | {"made_with": {"mlx": "0.1"}}))
    again = PriceList(worker, "cpu", None, path)
    again.ask(subject(), PLAN)
    assert again.traced == 1


def test_what_a_compiler_changes_is_priced_again_once_there_is_one(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def priced() -> int:
        prices = PriceList(worker, "cpu", None, tmp_path / "forecasts.json")
        prices.ask(subject(), PLAN)
        return prices.traced

    monkeypatch.setattr(verdicts, "has_compiler", lambda backend: False)
    assert (priced(), priced()) == (1, 0)
    monkeypatch.setattr(verdicts, "has_compiler", lambda backend: True)
    assert (priced(), priced()) == (1, 0)


def test_a_price_is_of_the_code_that_shapes_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trace makes its model by core's quantization, model_spec and trainable too."""
    package = tmp_path / "cockpit"
    (package / "core").mkdir(parents=True)
    (package / "core" / "quantization.py").write_text("BITS = 4")
    monkeypatch.setattr(verdicts.cockpit, "__file__", str(package / "__init__.py"))
    before = verdicts.made_with.__wrapped__()
    (package / "core" / "quantization.py").write_text("BITS = 8")
    assert verdicts.made_with.__wrapped__() != before


def test_an_architecture_that_mlx_lm_lacks_does_not_train(prices: PriceList) -> None:
    verdict = verdicts.judge(subject(model_type="warpdrive"), PLAN, 10**12, prices.ask)
    assert verdict.trains is False and "warpdrive" in verdict.why
    assert verdict.fits == "unknown" and prices.traced == 0


def test_a_model_without_matching_layers_does_not_train(prices: PriceList) -> None:
    asked = PLAN.with_changes(lora_parameters={"keys": ["no.such.layer"]})
    verdict = verdicts.judge(subject(), asked, 10**12, prices.ask)
    assert verdict.trains is False and "Nothing would be trained" in verdict.why
    # That answer is remembered as well.
    verdicts.judge(subject(), asked, 10**12, prices.ask)
    assert prices.traced == 1


def test_a_trace_that_broke_off_is_no_verdict_and_is_not_kept(tmp_path: Path) -> None:
    silent = ("sh", "-c", "echo '{}'; read line")
    prices = PriceList(Worker(silent), "cpu", None, tmp_path / "forecasts.json")
    verdict = verdicts.judge(subject(), PLAN, 10**12, prices.ask)
    assert verdict.trains is None and "ended unexpectedly" in verdict.why
    with pytest.raises(TraceError):
        prices.ask(subject(), PLAN)
    assert prices.traced == 2


def test_a_model_that_needs_keys_gets_them() -> None:
    needy = next(model for model in catalogue.models() if model.lora_keys)
    asked = PLAN.with_changes(model=needy.slug)
    assert verdicts.with_needed_keys(asked).lora_parameters.keys == needy.lora_keys
    own = asked.with_changes(lora_parameters={"keys": ["self_attn.q_proj"]})
    assert verdicts.with_needed_keys(own) == own
    assert verdicts.with_needed_keys(PLAN) == PLAN


def test_a_folder_of_such_an_architecture_gets_them_too(tmp_path: Path) -> None:
    needy = next(model for model in catalogue.models() if model.lora_keys)
    (tmp_path / "config.json").write_text(json.dumps(needy.config()))
    keyed = verdicts.with_needed_keys(PLAN.with_changes(model=str(tmp_path)))
    assert keyed.lora_parameters.keys == needy.lora_keys
    assert str(needy.lora_keys[0]) in verdicts.note_on_keys(keyed)
    full = PLAN.with_changes(model=needy.slug, fine_tune_type="full")
    assert verdicts.with_needed_keys(full) == full


def test_every_model_of_the_catalogue_is_a_subject() -> None:
    subjects = verdicts.catalogue_subjects(4)
    assert len(subjects) == len(catalogue.models())
    assert {each.packing for each in subjects} >= {"4-bit", "as published"}
    assert all(each.packing == "as published" for each in verdicts.catalogue_subjects(None))
    assert verdicts.local_subjects()[0].name == "nano"
