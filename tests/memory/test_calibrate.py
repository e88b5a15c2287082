"""Calibration: a wrong constant is found and corrected by what real runs measure."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cockpit.core.plan import RunPlan
from cockpit.core.profiles import parse_profile
from cockpit.errors import CockpitError
from cockpit.memory import calibrate, calibration
from cockpit.memory.backends import CPU, METAL, RunAhead
from cockpit.memory.calibration import Calibration
from cockpit.memory.client import Worker
from cockpit.memory.forecast import Forecaster
from cockpit.system.software import installed_version

CHIP = "A processor"
MACHINE = parse_profile(
    f'title = "Here"\nbackend = "cpu"\nchip = "{CHIP}"\nram = "8 GB"\nsystem_reserved = "1 GB"\n',
    "this-machine",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    return tmp_path


def stored(**fields: object) -> Calibration:
    found = {"backend": "cpu", "chip": CHIP, "mlx": installed_version("mlx")}
    found |= {"work_per_task": 100, "outstanding_tasks": 20}
    errors = {"error_before": 0.1, "error_after": 0.0}
    return Calibration.model_validate(found | errors | fields)


def forecast(worker: Worker, plan: RunPlan) -> int:
    """By a Forecaster that remembers nothing; its process reads the constants for each trace."""
    found = Forecaster("cpu", CHIP, worker=worker).forecast(plan)
    assert found.method == "trace"
    return found.peak_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="the CPU's constants are Linux's here")
def test_a_planted_wrong_constant_is_found_and_corrected() -> None:
    """Real runs by the real trainer; the forecast of another plan than those is mended too."""
    fitted_on = [plan.with_changes(iters=6, batch_size=4) for plan in calibrate.plans()[:1]]
    other = calibrate.plans()[0]
    worker = Worker()
    right = forecast(worker, other)
    calibration.save(stored(work_per_task=CPU.work_per_task, outstanding_tasks=2))
    assert forecast(worker, other) < 0.98 * right
    said: list[str] = []
    found = calibrate.calibrate(MACHINE, said.append, fitted_on)
    assert abs(found.error_before) > 0.03 and abs(found.error_after) < 0.02
    assert len(said) == len(fitted_on) + 1
    calibration.save(found)
    assert forecast(worker, other) == pytest.approx(right, rel=0.02)
    worker.close()


def test_only_this_device_and_this_mlx_take_what_was_calibrated() -> None:
    calibration.save(stored())
    assert calibration.run_ahead("cpu", CHIP).work_per_task == 100
    assert "calibrated" in calibration.run_ahead("cpu", CHIP).source
    assert calibration.run_ahead("cpu", "Another") == CPU
    assert calibration.run_ahead("metal", CHIP) == METAL["g"]
    calibration.save(stored(mlx="0.1"))
    assert calibration.run_ahead("cpu", CHIP) == CPU


@pytest.mark.parametrize("damage", ["", "work_per_task = 0", "= 3", "\x00"])
def test_a_damaged_file_leaves_the_defaults(damage: str) -> None:
    calibration.save(stored())
    calibration.calibration_path().write_text(damage)
    assert calibration.run_ahead("cpu", CHIP) == CPU


def test_a_home_that_cannot_be_written_to_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(CockpitError, match="could not be saved"):
        calibration.save(stored())


def test_constants_stay_unless_others_are_closer() -> None:
    """A device whose peak is its weights and what is scheduled ahead."""
    asked: list[RunAhead] = []

    def price(ahead: RunAhead) -> list[int]:
        asked.append(ahead)
        depth = ahead.work_per_task * ahead.outstanding_tasks
        return [10_000 + depth, 20_000 + 2 * depth]

    close = calibrate.fit_constants(price, [10_100, 20_200], CPU)
    assert close.ahead == CPU and len(asked) == 1
    wrong = replace(CPU, work_per_task=100, outstanding_tasks=20)
    found = calibrate.fit_constants(price, [10_100, 20_200], wrong)
    assert found.ahead.work_per_task * found.ahead.outstanding_tasks == 100
    assert found.error_before > 0.15 and abs(found.error_after) < calibrate.CLOSE_ENOUGH
    out_of_reach = calibrate.fit_constants(price, [10_000, 30_000], CPU)
    assert abs(out_of_reach.error_after) <= abs(out_of_reach.error_before)


def test_a_run_that_fails_is_named() -> None:
    broken = calibrate.plans()[0].with_changes(data="nowhere")
    with pytest.raises(CockpitError, match="calibration run failed"):
        calibrate.measure(broken)
