"""What finished runs teach: recorded once, bounded, and only about runs like them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.embedded import demo_data_path
from cockpit.memory import history
from cockpit.memory.history import Kind, Record
from cockpit.system import run_dir
from cockpit.system.run_dir import RunDir

KIND = Kind(device="chip", mlx="0.32.4", architecture="llama")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    return tmp_path


def forecast(peak: int = 1000, **fields: object) -> MemoryForecast:
    whole = {"low_bytes": int(peak * 0.85), "high_bytes": int(peak * 1.15), "method": "trace"}
    asked = whole | {"peak_bytes": peak, "parts": {"weights": peak}, "unvalidated": True} | fields
    return MemoryForecast.model_validate(asked)


def finished(measured: int = 1010, *, status: str = "completed", **fields: object) -> RunDir:
    """A run's directory as one leaves it, forecast at 1000 bytes."""
    plan = RunPlan(model="nano", data=str(demo_data_path()))
    run = run_dir.create(plan, forecast(**fields).document(None))
    started = {"attempt": 1, "pid": 1, "pid_created": 0.0, "updates": 1, "device": "cpu"}
    lines = [
        ev.Started.model_validate(started | {"versions": {"mlx": "0.32.4"}}).line(),
        ev.Ended.model_validate({"status": status, "update": 1, "peak_bytes": measured}).line(),
    ]
    run.attempt(1).trainer_events.write_bytes(b"".join(lines))
    return run


def recorded(*ratios: float, kind: Kind = KIND) -> list[Record]:
    return [
        Record(
            run=f"run-{number}",
            attempt=1,
            kind=kind,
            plan="",
            forecast_bytes=10_000,
            measured_bytes=round(10_000 * ratio),
        )
        for number, ratio in enumerate(ratios)
    ]


def test_a_finished_run_is_recorded_once() -> None:
    run = finished(measured=1010)
    assert history.record_finished_runs("chip") == 1
    assert history.record_finished_runs("chip") == 0
    (record,) = history.records()
    assert (record.run, record.forecast_bytes, record.measured_bytes) == (run.name, 1000, 1010)
    plan = run.plan()
    assert record.kind == history.kind_of("chip", "0.32.4", plan)
    assert "batch_size=4" in record.plan
    (line,) = history.history_path().read_text().splitlines()
    assert json.loads(line)["measured_bytes"] == 1010


def test_what_says_nothing_about_a_trace_is_not_recorded() -> None:
    finished(status="stopped")
    finished(status="failed")
    finished(method="analytic")
    finished(measured=0)
    assert history.record_finished_runs("chip") == 0
    assert history.records() == []


def test_the_file_is_bounded_and_survives_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_RECORDS", 3)
    for measured in (1001, 1002, 1003, 1004):
        finished(measured)
    history.record_finished_runs("chip")
    assert len(history.records()) == 3
    assert history.record_finished_runs("chip") == 0
    with history.history_path().open("a") as file:
        file.write('{"run": "cut off in the mid')
    assert len(history.records()) == 3


def test_a_home_that_cannot_be_written_to_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "file" / "home"))
    assert history.record_finished_runs("chip") == 0


def test_runs_of_a_kind_narrow_its_band() -> None:
    found = history.narrowed(forecast(10_000), KIND, recorded(0.97, 0.98, 1.0, 1.01, 1.02))
    assert found.peak_bytes == 10_000
    assert 9_500 < found.low_bytes < 9_700 and 10_200 < found.high_bytes < 10_500
    assert not found.unvalidated
    assert any("5 finished runs" in note for note in found.notes)


def test_a_band_can_turn_out_wider() -> None:
    tight = forecast(10_000, low_bytes=9_900, high_bytes=10_100)
    found = history.narrowed(tight, KIND, recorded(0.9, 1.0, 1.0, 1.0, 1.1))
    assert found.low_bytes < 9_000 and found.high_bytes > 11_000


def test_it_is_never_narrower_than_the_tracer_itself_claims() -> None:
    from cockpit.memory.trace import CPU_BAND

    assert history.NARROWEST == CPU_BAND
    found = history.narrowed(forecast(10_000), KIND, recorded(*[1.0] * 50))
    assert (found.low_bytes, found.high_bytes) == (9_900, 10_100)
    # Nor does it exclude the peak, whichever side all the errors were on.
    low = history.narrowed(forecast(10_000), KIND, recorded(*[0.9] * 9))
    assert low.low_bytes == 9_000 and low.high_bytes == 10_100


def test_other_kinds_few_runs_and_rough_estimates_change_nothing() -> None:
    asked = forecast()
    enough = recorded(*[1.0] * 9)
    for field in ("device", "mlx", "architecture"):
        other = KIND.model_copy(update={field: "another"})
        assert history.narrowed(asked, other, enough) == asked
    assert history.narrowed(asked, None, enough) == asked
    assert history.narrowed(asked, KIND, enough[: history.ENOUGH - 1]) == asked
    rough = forecast(method="analytic")
    assert history.narrowed(rough, KIND, enough) == rough
