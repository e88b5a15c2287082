"""What fits: searches over a known price list, and over the real forecast of nano."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.memory import fit
from cockpit.memory.fit import Lever, Limits
from cockpit.memory.forecast import Forecaster

MODEL = Limits(layers=24, examples=1000, tokens=8192)


class Prices:
    """A forecast whose answer can be worked out by hand, and which counts its questions."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, plan: RunPlan) -> MemoryForecast:
        self.asked += 1
        tokens = plan.max_seq_length - 1
        layers = plan.num_layers if plan.num_layers > 0 else 24
        kept = 1 if plan.grad_checkpoint else layers
        peak = 1_000_000 + plan.batch_size * tokens * (10 * kept + 50) + 1000 * layers
        return MemoryForecast(
            peak_bytes=peak,
            low_bytes=peak,
            high_bytes=peak,
            parts={"weights": 1_000_000, "activations": peak - 1_000_000},
            method="trace",
        )


def plan(**fields: object) -> RunPlan:
    asked = {"model": "m", "data": "d", "batch_size": 4, "max_seq_length": 2049, "num_layers": 8}
    return RunPlan.model_validate(asked | fields)


@pytest.mark.parametrize("lever", fit.LEVERS)
@pytest.mark.parametrize("share", [0.3, 0.71, 1.0, 1.6, 3.9])
def test_the_next_larger_value_is_too_much(lever: Lever, share: float) -> None:
    prices = Prices()
    asked = plan()
    budget = int(prices(asked).peak_bytes * share)
    found = fit.largest(prices, asked, lever, budget, MODEL)
    assert found is not None
    step = fit.PAD_TO if lever == "max_seq_length" else 1
    smallest = step + (lever == "max_seq_length")
    if found.value is None:
        assert prices(asked.with_changes(**{lever: smallest})).peak_bytes > budget
        return
    assert found.forecast is not None and found.forecast.peak_bytes <= budget
    after = prices(asked.with_changes(**{lever: found.value + step})).peak_bytes
    assert found.at_limit or after > budget
    assert (found.value - smallest) % step == 0


def test_few_forecasts_are_enough() -> None:
    prices = Prices()
    fit.largest(prices, plan(), "max_seq_length", 20_000_000, MODEL)
    assert prices.asked <= 8


def test_the_model_and_the_data_end_a_search() -> None:
    for lever, most in (("num_layers", 24), ("batch_size", 256), ("max_seq_length", 8193)):
        found = fit.largest(Prices(), plan(), lever, 10**15, MODEL)  # type: ignore[arg-type]
        assert found is not None and found.at_limit and found.value == most
    few = Limits(layers=24, examples=20)
    found = fit.largest(Prices(), plan(grad_accumulation_steps=2), "batch_size", 10**15, few)
    assert found is not None and found.value == 10


def test_nothing_fits_below_the_weights() -> None:
    found = fit.largest(Prices(), plan(), "batch_size", 500_000, MODEL)
    assert found is not None and found.value is None
    assert fit.cheapest(Prices(), plan(), 500_000, MODEL) is None


def test_without_a_forecast_there_is_no_answer() -> None:
    assert fit.largest(lambda _: None, plan(), "batch_size", 10**9, MODEL) is None
    assert fit.cheapest(lambda _: None, plan(), 10**9, MODEL) is None
    assert fit.lever_costs(lambda _: None, plan(), MODEL) == []


def test_the_least_painful_change_is_taken() -> None:
    """Recomputing before splitting, splitting before cutting, cutting before fewer layers."""
    prices, asked = Prices(), plan()
    budgets = [rung_bytes.peak_bytes for rung_bytes in map(prices, fit.ladder(asked, MODEL))]
    kinds = []
    for budget in budgets:
        change = fit.cheapest(prices, asked, budget, MODEL)
        assert change is not None and change.forecast.peak_bytes <= budget
        kinds.append([name for name in _GIVING_WAY if name in change.fields][-1])
    assert list(dict.fromkeys(kinds)) == _GIVING_WAY
    assert kinds == sorted(kinds, key=_GIVING_WAY.index)


_GIVING_WAY = ["grad_checkpoint", "batch_size", "max_seq_length", "num_layers"]


@pytest.mark.parametrize("batch", [2, 6, 7])
def test_smaller_micro_batches_make_the_same_updates(batch: int) -> None:
    asked = plan(batch_size=batch, iters=100, steps_per_eval=20, val_batches=6, save_every=10)
    split = fit.split_batch(asked)
    assert split.batch_size < batch
    assert split.updates == asked.updates
    assert split.examples_per_update == asked.examples_per_update
    assert split.val_batches * split.batch_size == 6 * batch
    for interval in ("steps_per_eval", "save_every", "steps_per_report"):
        before = asked.in_updates(getattr(asked, interval))
        assert split.in_updates(getattr(split, interval)) == before
    assert fit.split_batch(asked.with_changes(val_batches=-1)).val_batches == -1


def test_each_lever_has_a_price() -> None:
    prices, asked = Prices(), plan()
    costs = {cost.label: cost.bytes_added for cost in fit.lever_costs(prices, asked, MODEL)}
    assert costs["grad_checkpoint on"] == -4 * 2048 * 70
    assert costs["batch_size 2"] == -2 * 2048 * 130
    assert costs["batch_size 8"] == 4 * 2048 * 130
    assert costs["num_layers 4"] < 0 < costs["num_layers 16"]


@pytest.fixture(scope="module")
def forecaster() -> Iterator[Forecaster]:
    with Forecaster() as started:
        yield started


def test_the_real_forecast_of_nano(forecaster: Forecaster) -> None:
    asked = plan(model="nano", max_seq_length=129, num_layers=2)
    limits = Limits(layers=4, examples=1000, tokens=512)

    def ask(changed: RunPlan) -> MemoryForecast | None:
        return forecaster.forecast(changed, use_data=False)

    now = ask(asked)
    assert now is not None and now.method == "trace"
    budget = now.outside_bytes + 2 * now.peak_bytes
    found = fit.largest(ask, asked, "batch_size", budget, limits)
    assert found is not None and found.value is not None and found.value > 4
    over = ask(asked.with_changes(batch_size=found.value + 1))
    assert over is not None and over.needed_bytes > budget
    change = fit.cheapest(ask, asked, now.outside_bytes + int(0.7 * now.peak_bytes), limits)
    assert change is not None and change.forecast == ask(change.plan)
    assert change.plan.updates == asked.updates
