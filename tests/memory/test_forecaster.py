"""The tracing process: warm, remembered, given up on in time, and gone when told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cockpit.core.plan import RunPlan
from cockpit.embedded import DEMO_PLAN, demo_data_path
from cockpit.errors import CockpitError
from cockpit.memory.client import Worker
from cockpit.memory.forecast import Forecaster

SILENT = (sys.executable, "-c", "print('{}', flush=True); input(); import time; time.sleep(60)")
DYING = (sys.executable, "-c", "print('{}', flush=True); input(); raise SystemExit(3)")
MOST_BYTES = 600 * 10**6


@pytest.fixture(scope="module")
def forecaster() -> Iterator[Forecaster]:
    with Forecaster() as started:
        started.start()
        yield started


@pytest.fixture
def demo() -> RunPlan:
    return RunPlan(model="nano", data=str(demo_data_path()), **DEMO_PLAN)


def pid_of(forecaster: Forecaster) -> int:
    pid = forecaster._worker.pid
    assert pid is not None
    return pid


def test_a_plan_is_traced_on_its_own_data(forecaster: Forecaster, demo: RunPlan) -> None:
    longer = demo.with_changes(max_seq_length=512)
    found = forecaster.forecast(longer)
    whole = forecaster.forecast(longer, use_data=False)
    assert found is not None and whole is not None
    assert found.method == "trace" and not found.unvalidated
    assert found.peak_bytes < 0.5 * whole.peak_bytes
    assert any("GB at full length" in note for note in found.notes)


def test_an_answer_is_remembered(forecaster: Forecaster, demo: RunPlan) -> None:
    first = forecaster.forecast(demo)
    with Forecaster(worker=Worker(DYING)) as deaf:
        deaf._known.update(forecaster._known)
        assert deaf.forecast(demo) == first
        # What has no weight does not make it another plan.
        assert deaf.forecast(demo.with_changes(name="another", learning_rate=1e-3)) == first
        assert deaf._worker.pid is None


def test_the_process_is_small_and_gone_when_closed(demo: RunPlan) -> None:
    with Forecaster() as forecaster:
        assert forecaster.forecast(demo) is not None
        process = psutil.Process(pid_of(forecaster))
        assert process.memory_info().rss < MOST_BYTES
    assert not process.is_running()


@pytest.mark.parametrize(
    ("command", "reason"), [(SILENT, "took too long"), (DYING, "ended unexpectedly")]
)
def test_without_a_trace_there_is_a_rough_estimate_that_says_so(
    demo: RunPlan, command: tuple[str, ...], reason: str
) -> None:
    with Forecaster(worker=Worker(command), timeout_seconds=0.2) as forecaster:
        found = forecaster.forecast(demo)
        assert forecaster._worker.pid is None
    assert found is not None and found.method == "analytic"
    assert any("rough estimate" in note for note in found.notes)
    assert any(reason in note for note in found.notes)


def test_a_model_that_cannot_be_traced_is_said_to_be(
    forecaster: Forecaster, demo: RunPlan, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama", "vocab_size": 10}')
    found = forecaster.forecast(demo.with_changes(model=str(tmp_path)))
    assert found is None or any("not traced" in note for note in found.notes)
    assert forecaster.forecast(demo) is not None  # the process is still there


def test_a_model_of_the_catalogue_needs_no_download(forecaster: Forecaster) -> None:
    plan = RunPlan(model="smollm2-135m", data="not there", batch_size=1, max_seq_length=64)
    found = forecaster.forecast(plan)
    assert found is not None and found.method == "trace"


def test_an_unknown_name_is_an_error(forecaster: Forecaster, demo: RunPlan) -> None:
    with pytest.raises(CockpitError, match="no such model"):
        forecaster.forecast(demo.with_changes(model="no-such-model-at-all"))
