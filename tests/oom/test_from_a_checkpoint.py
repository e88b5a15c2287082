"""A death in the middle of a run: what was saved is kept, what came after is made again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cockpit.system import observe, recoveries
from cockpit.system.run_dir import RunDir
from tests.oom import cases
from tests.oom.conftest import Ground
from tests.oom.limits import Limit
from tests.oom.records import updates

SAVE_EVERY = 2


def test_goes_on_after_the_last_checkpoint(ground: Ground, limit: Limit, tmp_path: Path) -> None:
    """The longest batch is the fourth; the guard would see it come, so it is off."""
    ground = replace(ground, data=cases.write_lengths(tmp_path / "late", cases.RARELY))
    asked = {"batch_size": 2, "max_seq_length": 513, "num_layers": 4, "seed": 2, "iters": 5}
    room = ground.base_bytes + int(0.65 * ground.forecast(**asked))
    died = ground.train(limit, room, **asked, save_every=SAVE_EVERY, guard="off")
    assert died.document["status"] == "failed"
    assert died.document["diagnosis"]["kind"] in limit.kinds

    run = RunDir(died.run)
    before = {update.update: update.loss for update in updates(run.attempt(1))}
    assert len(before) > SAVE_EVERY, "it died before any checkpoint"
    saved = len(before) // SAVE_EVERY * SAVE_EVERY

    done = ground.cockpit(limit, room, "recover", str(run.path), "--yes")
    assert done.code == 0, done.said
    assert done.document["status"] == "completed"
    taken = recoveries.of(run.attempt(2))
    assert taken is not None
    assert (taken.from_update, taken.lost_updates) == (saved, len(before) - saved)
    assert [update.update for update in updates(run.attempt(2))] == list(range(saved + 1, 6))
    curve = dict(observe.current_state(run).losses)
    assert list(curve) == list(range(1, 6))
    assert [curve[n] for n in range(1, saved + 1)] == [before[n] for n in range(1, saved + 1)]
