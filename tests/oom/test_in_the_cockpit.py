"""The same fork in the road taken by hand in the interface, after a death that really was one."""

from __future__ import annotations

import pytest

from cockpit.system import observe, recoveries
from cockpit.system.run_dir import RunDir
from tests.oom.conftest import Ground
from tests.oom.limits import Limit
from tests.oom.test_real_out_of_memory import CAUTION_BYTES, LONG
from tests.ui.conftest import opened, until_shown


async def test_recovered_to_the_end_with_three_keys(
    ground: Ground, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R shows what happened and the ways on, the first that fits is under the cursor, enter."""
    asked = {"batch_size": 4, "max_seq_length": LONG, "num_layers": 4}
    half = ground.forecast(**asked | {"batch_size": 2, "grad_accumulation_steps": 2})
    room = ground.base_bytes + half + CAUTION_BYTES
    died = ground.train(limit, room, **asked)
    assert died.document["status"] == "failed"

    monkeypatch.setattr("tests.ui.conftest.GIVE_UP_SECONDS", 300.0)  # each way is traced
    monkeypatch.setenv("COCKPIT_HOME", str(ground.home))
    monkeypatch.setenv("COCKPIT_TRAINER_COMMAND", limit.command(room))
    run = RunDir(died.run)
    async with opened(run, size=(120, 40)) as pilot:
        await until_shown(pilot, "✗ failed", "R shows the ways on")
        await pilot.press("R")
        await until_shown(pilot, "What happened", "it starts over", "Ways on")
        await until_shown(pilot, "✓ fits", "in use when it died")
        await pilot.press("enter")
        await until_shown(pilot, "attempt 2")
        await until_shown(pilot, "✓ completed")
    recovery = recoveries.of(run.attempts()[-1])
    assert recovery is not None and not recovery.automatic
    state = observe.current_state(run)
    assert recovery.forecast_bytes is not None and state.peak_bytes is not None
    assert state.peak_bytes <= room - ground.base_bytes
