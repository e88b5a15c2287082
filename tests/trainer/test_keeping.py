"""The best by validation is kept and pointed at, and a run that no longer improves may stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cockpit.core import events as ev
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]

# Learns for a while, then far too fast to get better.
WORSENING: dict[str, Any] = {
    "optimizer": "sgd",
    "learning_rate": 0.3,
    "lr_schedule": {"name": "linear_schedule", "arguments": [0.3, 30.0, 12]},
    "iters": 12,
    "steps_per_eval": 1,
    "val_batches": -1,
    "save_every": 4,
}


def curve(training: Training) -> list[tuple[int, float]]:
    return [(event.update, event.loss) for event in training.events(ev.Validated)]


def best_of(training: Training) -> int:
    return min(curve(training), key=lambda point: point[1])[0]


def test_the_best_is_saved_when_it_is_measured_and_found_at_the_end(prepare: Prepare) -> None:
    training = prepare(**WORSENING, keep_last=1)
    assert training.here() == 0
    best = best_of(training)
    assert 0 < best < 12
    assert training.run.best.resolve().name == f"{best:07d}"
    assert not training.run.best.readlink().is_absolute()
    assert training.run.adapters.resolve().name == "0000012"
    assert {p.name for p in training.run.checkpoints.iterdir()} == {f"{best:07d}", "0000012"}
    (note,) = [n for n in training.events(ev.Note) if "best validation" in n.message]
    assert f"at update {best}: {training.run.best}" in note.message


def test_without_keep_best_only_the_last_are_kept(prepare: Prepare) -> None:
    training = prepare(**WORSENING, keep_last=2, keep_best=False)
    assert training.here() == 0
    assert {p.name for p in training.run.checkpoints.iterdir()} == {"0000008", "0000012"}
    assert not training.run.best.is_symlink()


def test_every_mth_scheduled_checkpoint_stays(prepare: Prepare) -> None:
    training = prepare(iters=10, save_every=2, keep_last=1, keep_best=False, keep_every=2)
    assert training.here() == 0
    assert {int(p.name) for p in training.run.checkpoints.iterdir()} == {4, 8, 10}


def test_a_run_that_no_longer_improves_stops_early_and_says_so(prepare: Prepare) -> None:
    training = prepare(**WORSENING | {"iters": 40}, early_stopping_patience=3)
    assert training.here() == 0
    points = curve(training)
    best = best_of(training)
    ended = training.one(ev.Ended)
    assert (ended.status, ended.update) == ("completed", best + 3)
    assert len(points) == best + 4
    assert ended.title == f"Stopped early at update {best + 3}"
    assert f"at update {best}" in ended.message
    assert training.events(ev.Checkpointed)[-1].update == best + 3


def test_a_small_gain_is_none(prepare: Prepare) -> None:
    fields = WORSENING | {"learning_rate": 1e-6, "lr_schedule": None}
    training = prepare(**fields, early_stopping_patience=2, early_stopping_min_delta=0.5)
    assert training.here() == 0
    assert training.one(ev.Ended).update == 2


def test_patience_goes_on_where_it_was(prepare: Prepare) -> None:
    whole = prepare(**WORSENING | {"save_every": 1}, early_stopping_patience=3, keep_last=12)
    assert whole.here() == 0
    ended = whole.one(ev.Ended)
    rest = whole.again(f"{ended.update - 1:07d}")
    assert rest.here() == 0
    assert rest.one(ev.Ended).update == ended.update
    assert rest.one(ev.Ended).title == ended.title


@pytest.mark.parametrize("action", ["validate", "checkpoint"])
def test_what_is_asked_for_while_it_runs_does_not_use_up_patience(
    prepare: Prepare, action: ev.Action
) -> None:
    quiet = prepare(**WORSENING, early_stopping_patience=2)
    watched = prepare(**WORSENING, early_stopping_patience=2)
    for _ in range(3):
        watched.send(action)
    assert quiet.here() == watched.here() == 0
    assert watched.one(ev.Ended).update == quiet.one(ev.Ended).update
