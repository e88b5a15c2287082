"""One answer for the command line and for Choose: the forecast, narrowed by this machine's runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.embedded import demo_data_path
from cockpit.memory import advice, history
from cockpit.memory.client import Worker
from cockpit.memory.fit import LEVERS, Limits
from cockpit.memory.forecast import Forecaster
from cockpit.memory.oracle import Oracle, limits_of
from cockpit.system import hardware
from cockpit.system.software import installed_version
from tests.memory.test_fit import MODEL, Prices, plan

PLAN = RunPlan(model="nano", data=str(demo_data_path()))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def forecaster() -> Forecaster:
    """One that is asked, and answers with a trace of 1,000,000 bytes."""
    found = MemoryForecast(
        peak_bytes=1_000_000, low_bytes=850_000, high_bytes=1_150_000,
        parts={"weights": 1_000_000}, method="trace",
    )  # fmt: skip
    line = '{"forecast": ' + found.model_dump_json() + "}"
    child = f"print('{{}}', flush=True)\nwhile input(): print({line!r}, flush=True)"
    return Forecaster(worker=Worker((sys.executable, "-c", child)))


def remember(profile: HardwareProfile) -> None:
    kind = history.kind_of(history.device_name(profile), installed_version("mlx"), PLAN)
    assert kind is not None
    line = history.Record(
        run="r", attempt=1, kind=kind, plan="", forecast_bytes=1000, measured_bytes=1000
    ).model_dump_json()
    history.history_path().write_text((line + "\n") * history.ENOUGH)


def test_the_runs_of_this_machine_narrow_its_forecasts_alone(forecaster: Forecaster) -> None:
    here = hardware.detect()
    with Oracle(here, forecaster=forecaster) as oracle:
        assert oracle.ask(PLAN).high_bytes == 1_150_000
        remember(here)
        assert oracle.ask(PLAN).high_bytes == 1_010_000
        elsewhere = hardware.known_profiles().get("linux-cpu-16")
        assert Oracle(elsewhere, forecaster=forecaster).ask(PLAN).high_bytes == 1_150_000


def test_a_machine_its_owner_described_is_planned_for(home: Path) -> None:
    (home / "profiles").mkdir()
    text = 'title = "Ours"\nbackend = "cpu"\nram = "8 GB"\nsystem_reserved = "1 GB"\n'
    (home / "profiles" / "this-machine.toml").write_text(text)
    assert hardware.this_machine().budget_bytes == 7 * 10**9
    assert hardware.this_machine().name == hardware.THIS_MACHINE


def test_a_search_goes_as_far_as_model_and_data_let_it() -> None:
    assert limits_of(PLAN, use_data=True) == Limits(layers=4, examples=40, tokens=512)
    assert limits_of(PLAN, use_data=False).examples is None


def test_advice_begins_with_the_change_that_fits() -> None:
    prices, asked = Prices(), plan()
    found = list(advice.advise(prices, asked, prices(asked).peak_bytes - 1, MODEL))
    first, last = found[0], found[-1]
    assert not first.fits and first.cheapest is not None and not first.costs
    assert first.cheapest.label == "grad_checkpoint on"
    assert last.done and tuple(each.lever for each in last.largest) == LEVERS and last.costs
    assert all(not each.done for each in found[:-1])
    fitting = next(advice.advise(prices, asked, 10**15, MODEL))
    assert fitting.fits and fitting.cheapest is None


def test_a_change_leaves_out_what_only_grows_along() -> None:
    prices, asked = Prices(), plan(grad_checkpoint=True)
    budget = prices(asked.with_changes(batch_size=2)).peak_bytes
    change = next(advice.advise(prices, asked, budget, MODEL)).cheapest
    assert change is not None and change.fields["iters"] == 2 * asked.iters
    assert change.label == "batch_size 2, grad_accumulation_steps 2"
