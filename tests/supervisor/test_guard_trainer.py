"""The guard and the real trainer: what was learned is saved, and nothing is lost."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.core.plan import RunPlan
from cockpit.system import checkpoints, run_dir
from cockpit.system.sensors import Sensors
from tests.supervisor.conftest import Supervised, wait_until
from tests.trainer.conftest import write_data, write_model

if sys.platform != "linux":
    pytest.skip("no limit can be laid on a living process here", allow_module_level=True)


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervised]:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    plan = RunPlan(
        model=str(write_model(tmp_path / "model")),
        data=str(write_data(tmp_path / "data", words=[20] * 8)),
        iters=1_000_000,
        batch_size=2,
        num_layers=-1,
        steps_per_eval=1_000_000,
        save_every=1_000_000,
        val_batches=1,
    )
    it = Supervised(run_dir.create(plan))
    yield it
    it.end_processes()


def test_a_limit_that_comes_near_while_it_trains(training: Supervised) -> None:
    """Its address space may grow by another 2 %, which no update needs, but the next might."""
    training.launch()
    state = wait_until(lambda: s if (s := training.state()).update > 5 else None, "updates")
    assert state.trainer is not None
    pid = state.trainer[0]
    taken = Sensors().process(pid).address_space_bytes
    assert taken is not None
    resource.prlimit(pid, resource.RLIMIT_AS, (int(taken * 1.02), int(taken * 1.02)))
    training.until_over()

    state = training.state()
    assert state.status == "stopped"
    assert state.guard is not None
    assert (state.guard.level, state.guard.title) == ("stop", "Memory is about to run out")
    _, saved, _ = checkpoints.newest_whole(training.run)
    assert saved.update == state.update
