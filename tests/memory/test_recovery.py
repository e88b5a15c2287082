"""The ladder over prices that can be worked out by hand, and the budget a death leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cockpit.core import ladder
from cockpit.core.forecast import MemoryForecast
from cockpit.core.ladder import MEMORY_RUNGS, Ladder, Rung, RungKind
from cockpit.core.model_spec import ModelSpec
from cockpit.core.plan import RunPlan
from cockpit.core.samples import MemorySample
from cockpit.errors import CockpitError
from cockpit.memory import recovery_budget, rung_cost, rung_words, unattended
from cockpit.memory.buffer_rungs import buffer_rungs
from cockpit.memory.custom_rung import custom_rung
from cockpit.memory.fit import Limits
from cockpit.memory.forecast import PlanRefused
from cockpit.memory.recovery_budget import Death
from cockpit.memory.rung_cost import SwitchCosts
from cockpit.memory.rung_question import Question
from cockpit.memory.rungs import MemoryRungs, cheapest
from cockpit.system import timings
from cockpit.system.run_dir import RunDir

MODEL = Limits(layers=24, examples=1000, tokens=8192)
LENGTHS = [100] * 90 + [1500] * 9 + [2000]


def forecast(peak: int, *, outside: int = 0) -> MemoryForecast:
    return MemoryForecast(
        peak_bytes=peak,
        low_bytes=peak,
        high_bytes=peak,
        parts={"weights": peak},
        footprint_bytes=peak + outside,
        method="trace",
    )


def price(plan: RunPlan) -> MemoryForecast:
    """Weights, activations of every trained block (of one, if recomputed), and logits in chunks."""
    tokens = plan.max_seq_length - 1
    kept = 1 if plan.grad_checkpoint else plan.num_layers
    activations = plan.batch_size * tokens * 10 * kept
    logits = plan.batch_size * tokens * 50 // plan.loss_chunks
    return forecast(1_000_000 + activations + logits + 1000 * plan.num_layers)


def plan(**fields: object) -> RunPlan:
    asked = {"model": "m", "data": "d", "batch_size": 4, "max_seq_length": 2049, "num_layers": 8}
    return RunPlan.model_validate(asked | fields)


def climbed(asked: RunPlan, budget_bytes: int) -> dict[str, Rung]:
    question = Question(asked, budget_bytes, MODEL, LENGTHS)
    return {rung.kind: rung for rung in MemoryRungs(question, price)}


def test_rungs_stand_in_their_order_and_each_is_priced_as_it_would_be_taken() -> None:
    asked = plan()
    rungs = climbed(asked, int(0.6 * price(asked).peak_bytes))
    assert tuple(rungs) == MEMORY_RUNGS
    for rung in rungs.values():
        assert rung.forecast == price(asked.with_changes(**rung.changes))
        assert rung.fits is (rung.forecast.peak_bytes <= 0.6 * price(asked).peak_bytes)


def test_a_lever_that_is_enough_alone_changes_nothing_else() -> None:
    asked = plan()
    rungs = climbed(asked, int(0.9 * price(asked).peak_bytes))
    assert rungs["grad_checkpoint"].changes == {"grad_checkpoint": True}
    assert "grad_checkpoint" not in rungs["batch_size"].changes
    assert set(rungs["max_seq_length"].changes) == {"max_seq_length"}
    assert rungs["num_layers"].changes == {"num_layers": 4}


def test_a_lever_that_is_not_stands_on_what_the_lossless_ones_above_can_give() -> None:
    asked = plan()
    rungs = climbed(asked, 1_020_000)
    assert not rungs["batch_size"].offered
    assert "even with 1 x 4" in rungs["batch_size"].why_not
    cut = rungs["max_seq_length"]
    assert cut.fits and not cut.lossless
    assert {"grad_checkpoint", "loss_chunks", "batch_size"} < cut.changes.keys()


def test_smaller_batches_change_nothing_that_is_learned() -> None:
    asked = plan(iters=100, save_every=10, val_batches=5)
    rung = climbed(asked, int(0.6 * price(asked).peak_bytes))["batch_size"]
    taken = asked.with_changes(**rung.changes)
    assert rung.lossless
    assert taken.updates == asked.updates and taken.examples_per_update == asked.examples_per_update
    assert taken.in_updates(taken.save_every) == 10
    assert taken.val_batches * taken.batch_size == 20


def test_the_longest_sequence_that_fits_and_what_it_truncates() -> None:
    asked = plan(batch_size=1, grad_checkpoint=True, loss_chunks=32)
    budget = price(asked.with_changes(max_seq_length=1601)).peak_bytes
    rung = climbed(asked, budget)["max_seq_length"]
    assert rung.changes == {"max_seq_length": 1601}
    assert "truncates 1 of 100 examples: 399 tokens, 1.6 % of all" in rung.consequences[0]
    split = climbed(asked, budget)["long_examples"]
    assert split.changes == {"max_seq_length": 1601, "long_examples": "split"}
    assert "1 of 100 examples are split: 101 pieces" in split.consequences[0]


def test_only_lengths_that_the_data_has_count() -> None:
    rungs = MemoryRungs(Question(plan(), 900_000, MODEL, [30] * 10), price)
    cut = next(rung for rung in rungs if rung.kind == "max_seq_length")
    assert cut.why_not == "no shorter length is left"


def test_a_rung_names_all_that_it_changes_and_whose_each_consequence_is() -> None:
    asked = plan(batch_size=16, num_layers=2)
    before = RungWords(asked)
    chunks = before.of("loss_chunks", grad_checkpoint=True, loss_chunks=8)
    assert chunks[0] == "Loss in chunks: 1 -> 8, with gradient checkpointing"
    assert "gradient checkpointing: activations are computed twice" in chunks[1]
    (loss,) = (said for said in chunks[1] if "chunks" in said)
    assert loss.endswith("the loss itself costs no second computation")
    layers = before.of("num_layers", grad_checkpoint=True, max_seq_length=257, num_layers=1)
    assert layers[0] == "Fewer layers: 2 -> 1, with gradient checkpointing and 257 tokens"
    assert "1 block is trained instead of 2" in layers[1]
    split = before.of("long_examples", max_seq_length=65, long_examples="split")
    assert split[0] == "Split long examples at 65 tokens"


class RungWords:
    """What a rung of a plan is called and what it means."""

    def __init__(self, asked: RunPlan):
        self._asked = asked

    def of(self, kind: RungKind, **changes: object) -> tuple[str, tuple[str, ...]]:
        after = self._asked.with_changes(**changes)
        said = rung_words.consequences(self._asked, after, None, MODEL.layers)
        return rung_words.title(kind, self._asked, after, MODEL.layers), said


def test_what_is_too_large_by_less_than_its_figures_show_says_by_how_much() -> None:
    asked = plan(batch_size=1, grad_checkpoint=True, loss_chunks=32, num_layers=1)
    need = 194_000_000
    question = Question(asked, need - 4_000_000, MODEL)
    rung = next(r for r in MemoryRungs(question, lambda _: forecast(need)) if r.changes)
    assert rung.fits is False and rung.why_not.endswith("it is 4.0 MB over 0.19 GB")
    far = next(r for r in MemoryRungs(question, lambda _: forecast(2 * need)) if r.changes)
    assert far.why_not.endswith("it needs 0.39 GB of 0.19 GB")


def test_what_is_below_a_floor_says_so() -> None:
    low = climbed(plan(batch_size=1, floor_seq_length=1025), 1_010_000)
    assert low["max_seq_length"].fits and low["max_seq_length"].below_floor
    assert not climbed(plan(batch_size=1), 1_060_000)["max_seq_length"].below_floor


def test_every_rung_that_is_not_offered_says_why() -> None:
    asked = plan(grad_checkpoint=True, batch_size=1, num_layers=1, loss_chunks=32)
    for rung in climbed(asked, 500_000).values():
        assert not rung.offered and rung.why_not
    assert cheapest(price, asked, 500_000, MODEL) is None


def test_before_a_launch_the_cheapest_plan_is_the_rung_that_would_be_suggested() -> None:
    asked = plan()
    for share in (0.9, 0.7, 0.51, 0.49):
        budget = int(share * price(asked).peak_bytes)
        change = cheapest(price, asked, budget, MODEL)
        assert change is not None
        fitting = [rung for rung in climbed(asked, budget).values() if rung.fits]
        above = [rung for rung in fitting if not rung.below_floor]
        assert change.fields == (above or fitting)[0].changes


def test_without_a_forecast_each_lever_moves_one_notch_and_nothing_is_promised() -> None:
    def unknown(_: RunPlan) -> MemoryForecast:
        raise CockpitError("Nothing is known")

    rungs = {r.kind: r for r in MemoryRungs(Question(plan(), None, MODEL), unknown)}
    assert all(rung.fits is None for rung in rungs.values())
    assert rungs["batch_size"].changes["batch_size"] == 2


def test_what_the_trainer_refuses_cannot_be_taken_and_says_why() -> None:
    def no_chunks(plan: RunPlan) -> MemoryForecast:
        if plan.loss_chunks > 1:
            raise PlanRefused("The loss cannot be computed in chunks", "no output matrix was found")
        return price(plan)

    asked = plan()
    rungs = {r.kind: r for r in MemoryRungs(Question(asked, 1_200_000, MODEL), no_chunks)}
    chunks = rungs["loss_chunks"]
    assert not chunks.changes and chunks.fits is None
    assert chunks.why_not == "The loss cannot be computed in chunks: no output matrix was found"
    taken = [rung for rung in rungs.values() if rung.fits]
    assert taken and all("loss_chunks" not in rung.changes for rung in taken)
    with pytest.raises(CockpitError, match="cannot be trained like that"):
        custom_rung(Question(asked, 10**9, MODEL), {"loss_chunks": 4}, no_chunks)


def test_what_a_switch_costs_is_an_estimate_until_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By multiplications: a third of the steps' where every block is trained with LoRA."""
    spec = ModelSpec("llama", hidden_size=10, num_hidden_layers=10, vocab_size=10, parameters=1100)
    spec = replace(spec, tie_word_embeddings=True)
    factor = rung_cost.checkpointing_factor(plan(num_layers=-1), spec)
    assert factor == (1000 + 100 + 1000 + 100 + 1000) / (1000 + 100 + 1000 + 100)
    assert rung_cost.checkpointing_factor(plan(num_layers=-1), replace(spec, num_experts=8)) is None

    asked = RunPlan(model="nano", data="d", max_seq_length=257)
    switched = asked.with_changes(grad_checkpoint=True)
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    assert "estimated from the model's shape" in SwitchCosts(asked)(switched)
    assert "once it runs" in SwitchCosts(asked)(asked.with_changes(loss_chunks=4))
    assert SwitchCosts(asked)(asked.with_changes(batch_size=2)) == ""
    timings.remember(asked, 0.5, updates=8)
    timings.remember(switched, 0.8, updates=8)
    said = SwitchCosts(asked)(switched)
    assert said == "an example takes 1.60 times as long, measured on this machine"
    question = Question(asked, None, MODEL, cost=SwitchCosts(asked))
    rung = next(r for r in MemoryRungs(question, price) if r.kind == "grad_checkpoint")
    assert said in rung.consequences


def test_too_many_buffers_want_fewer_lengths_and_no_smaller_batch() -> None:
    question = Question(plan(clear_cache_threshold=10**9), 10**9, MODEL, list(range(1, 2049)))
    cache, cut = buffer_rungs(question)
    assert cache.changes == {"clear_cache_threshold": 0} and cache.lossless
    assert cut.changes == {"max_seq_length": 1025}
    assert "32 different lengths instead of 64" in cut.consequences[0]
    cleared, _ = buffer_rungs(Question(plan(), 10**9, MODEL))
    assert not cleared.offered and "0 already" in cleared.why_not


def test_ones_own_rung_keeps_updates_and_their_examples() -> None:
    asked = plan(iters=100, save_every=10)
    question = Question(asked, 10**6, MODEL)
    rung = custom_rung(question, {"batch_size": 1, "max_seq_length": 513}, price)
    taken = asked.with_changes(**rung.changes)
    assert (taken.grad_accumulation_steps, taken.iters, taken.save_every) == (4, 400, 40)
    assert rung.offered and rung.fits is False
    with pytest.raises(CockpitError, match="does not divide"):
        custom_rung(question, {"batch_size": "3"}, price)
    with pytest.raises(CockpitError, match="max_seq_length"):
        custom_rung(question, {"max_seq_length": "long"}, price)


# Without anybody there


def climb(*rungs: Rung) -> Rung:
    found = Ladder(rungs, ladder.preselect(rungs), 10**9, "the machine")
    return unattended.choose(found, plan(), RunDir(Path("runs/nano")))


def test_unattended_the_first_that_fits_is_taken() -> None:
    low = Rung("max_seq_length", "short", {"max_seq_length": 33}, fits=True, below_floor=True)
    layers = Rung("num_layers", "few", {"num_layers": 4}, fits=True)
    assert climb(low, layers) == layers
    with pytest.raises(CockpitError, match="below the plan's floor") as refused:
        climb(low)
    assert "floor_seq_length 256" in refused.value.message
    assert "cockpit recover nano" in refused.value.remedy


def test_unattended_nothing_is_taken_that_is_not_known_to_fit() -> None:
    with pytest.raises(CockpitError, match=r"No change makes it fit 1.00 GB") as refused:
        climb(Rung("batch_size", "small", {"batch_size": 1}, fits=False, why_not="too much"))
    assert refused.value.message == "small: too much"
    with pytest.raises(CockpitError):
        climb(Rung("batch_size", "small", {"batch_size": 1}, fits=None))


# What a death leaves of the budget


def reading(footprint: int, limit: int | None = None) -> MemorySample:
    return MemorySample(footprint_bytes=footprint, limit_bytes=limit, limit_used_bytes=footprint)


def test_a_plan_before_its_launch_has_what_the_machine_has() -> None:
    assert recovery_budget.after(None, 8_000).size_bytes == 8_000


def test_never_more_than_was_in_use_at_the_death_whatever_the_profile_promises() -> None:
    died = Death([reading(5_000, 5_100)], forecast=forecast(4_500, outside=500))
    found = recovery_budget.after(died, 8_000)
    assert found.size_bytes == int(4_500 * 0.95) + 500
    assert "in use when it died" in found.reason and "outside MLX" in found.reason


def test_the_kernels_high_water_mark_counts_where_readings_were_too_slow() -> None:
    died = Death([reading(1_000)], high_water_bytes=5_000, forecast=forecast(9_000))
    assert recovery_budget.after(died, 8_000).size_bytes == int(5_000 * 0.95)


def test_a_rise_that_nobody_saw_leaves_the_forecast_of_what_was_too_much() -> None:
    died = Death([reading(1_000)], forecast=forecast(6_000))
    found = recovery_budget.after(died, 8_000)
    assert found.size_bytes == int(6_000 * 0.95) and "forecast" in found.reason


def test_a_plan_that_died_though_its_forecast_fitted_is_held_to_that_forecast() -> None:
    died = Death([reading(5_000, 5_000)], forecast=forecast(3_000))
    assert recovery_budget.after(died, 8_000).size_bytes == int(3_000 * 0.95)


def test_what_the_guard_stopped_early_is_held_to_the_limit_and_not_to_what_it_had() -> None:
    died = Death([reading(2_000, 2_000)], room_bytes=6_000, forecast=forecast(6_500, outside=500))
    found = recovery_budget.after(died, 8_000)
    assert found.size_bytes == int(5_500 * 0.95) + 500 and "guard stopped it" in found.reason


def test_the_machines_budget_stays_the_upper_bound() -> None:
    died = Death([reading(9_900, 10_000)], forecast=forecast(9_900))
    found = recovery_budget.after(died, 7_000)
    assert found.size_bytes == 7_000 and "machine" in found.reason


def test_each_recovery_in_vain_leaves_more_room() -> None:
    died = [Death([reading(5_000, 5_000)], in_vain=n) for n in range(30)]
    sizes = [recovery_budget.after(death, None).size_bytes or 0 for death in died]
    assert sizes[0] > sizes[1] > sizes[2] and min(sizes) == 2_500


def test_without_any_evidence_the_machines_budget_is_all_there_is() -> None:
    assert recovery_budget.after(Death(), 7_000).size_bytes == 7_000
    assert recovery_budget.after(Death(), None).size_bytes is None
