"""Checkpoints are complete or not there, whatever happens while one is written."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest

from cockpit.core import events as ev
from cockpit.system import whole_file
from cockpit.system.run_dir import RunDir
from cockpit.trainer import checkpoint, resume
from tests.trainer.conftest import Training, write_data

Prepare = Callable[..., Training]


def write(run: RunDir, update: int, loss: float | None = None, attempt: int = 1) -> Path:
    arrays = {checkpoint.ADAPTERS_NAME: {"w": mx.full((4,), float(update))}}
    state = {"attempt": attempt, "update": update, "validation_loss": loss}
    return checkpoint.write(run, update, arrays, {}, lambda files: state | {"files": files})


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path)


def names(run: RunDir) -> list[str]:
    return sorted(path.name for path in run.checkpoints.iterdir())


def test_the_last_three_and_the_best_are_kept(run: RunDir) -> None:
    for update, loss in ((1, 3.0), (2, 1.0), (3, 2.0), (4, None), (5, 4.0), (6, 5.0)):
        write(run, update, loss)
        checkpoint.prune(run)
    assert names(run) == ["0000002", "0000004", "0000005", "0000006"]


def test_adapters_follows_the_newest_and_is_never_missing(run: RunDir) -> None:
    for update in (1, 2):
        checkpoint.point_adapters(run, write(run, update))
        assert mx.load(str(run.adapters / "adapters.safetensors"))["w"][0].item() == update
    assert not run.adapters.readlink().is_absolute()
    assert [p.name for p in run.path.iterdir() if "partial" in p.name] == []


def test_where_links_cannot_be_made_adapters_is_a_folder(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for update in (1, 2):
        path = write(run, update)
        (path / checkpoint.CONFIG_NAME).write_text("{}")
        checkpoint.point_adapters(run, path)
    assert not run.adapters.is_symlink()
    assert sorted(p.name for p in run.adapters.iterdir()) == [
        checkpoint.CONFIG_NAME,
        checkpoint.ADAPTERS_NAME,
    ]
    assert mx.load(str(run.adapters / "adapters.safetensors"))["w"][0].item() == 2


def test_a_failed_write_leaves_what_was_there(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    write(run, 1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file, "to_the_medium", full)
    with pytest.raises(OSError):
        write(run, 2)
    assert names(run) == ["0000001"]


def test_a_checkpoint_of_an_earlier_attempt_gives_way(run: RunDir) -> None:
    write(run, 1, loss=1.0)
    path = write(run, 1, loss=2.0)
    assert names(run) == ["0000001"]
    assert json.loads((path / "state.json").read_text())["validation_loss"] == 2.0


def test_what_an_attempt_left_behind_when_it_went_back_is_older_than_what_follows(
    run: RunDir,
) -> None:
    for update in (2, 5, 6, 7):
        write(run, update, loss=1.0 / update)
    begin(run, 1)
    begin(run, 2, checkpoint="0000002")
    assert [p.name for p in checkpoint.complete(run)][-1] == "0000002"
    for update in (3, 4):
        write(run, update, loss=9.0, attempt=2)
        checkpoint.point_best(run)
        checkpoint.prune(run)
    assert names(run) == ["0000002", "0000003", "0000004"]
    assert run.best.resolve().name == "0000002"


def test_copying_a_run_does_not_reorder_its_checkpoints(run: RunDir, tmp_path: Path) -> None:
    for update in (10, 20, 30):
        path = write(run, update)
        os.utime(path / "state.json", (1000 - update, 1000 - update))
    assert [int(p.name) for p in checkpoint.complete(run)] == [10, 20, 30]


def test_a_damaged_checkpoint_does_not_push_a_whole_one_out(run: RunDir) -> None:
    for update in (1, 2, 3):
        write(run, update)
    (run.checkpoints / "0000003" / "state.json").write_bytes(b"\0" * 40)
    write(run, 4)
    checkpoint.prune(run)
    assert names(run) == ["0000001", "0000002", "0000003", "0000004"]


def test_a_plan_says_what_is_kept(run: RunDir) -> None:
    keep = checkpoint.Keep(last=1, best=False, every=20)
    for update in range(10, 70, 10):
        write(run, update, loss=float(update))
        checkpoint.prune(run, keep)
    assert names(run) == ["0000020", "0000040", "0000060"]


def test_a_checkpoint_that_was_giving_way_when_the_trainer_died_comes_back(run: RunDir) -> None:
    path = write(run, 1)
    path.rename(path.with_name("0000001.replaced.partial"))
    (run.checkpoints / "0000001.partial").mkdir()
    checkpoint.settle(run)
    assert names(run) == ["0000001"]


def begin(run: RunDir, attempt: int, **request: str) -> None:
    folder = run.attempt(attempt).path
    folder.mkdir(parents=True)
    if request:
        (folder / "resume.json").write_text(json.dumps(request))


def test_a_killed_trainer_leaves_only_complete_checkpoints(prepare: Prepare) -> None:
    rng = random.Random(0)
    training = prepare(iters=1_000_000, save_every=1, steps_per_eval=1_000_000)
    for _ in range(3):
        kill_while_saving(training, after=rng.random() * 0.02)
        found = checkpoint.complete(training.run)
        for path in found:
            assert resume.read(path).update == int(path.name)
        assert training.run.adapters.resolve() in found
        training = training.again(found[-1].name)
    last = training.again(found[-1].name, iters=int(found[-1].name) + 2)
    assert last.here() == 0
    assert not list(training.run.checkpoints.glob("*.partial"))


def kill_while_saving(training: Training, after: float) -> None:
    """Kills a trainer that does little but save; any moment will do, that is the point."""
    training.start()
    training.until(lambda: len(training.events(ev.Checkpointed)) >= 5)
    time.sleep(after)
    assert training.process is not None
    training.process.kill()
    training.wait()


def test_weights_that_are_no_numbers_are_never_saved(prepare: Prepare, tmp_path: Path) -> None:
    training = prepare(
        iters=40, save_every=1, optimizer="sgd", learning_rate=3e37, steps_per_eval=100
    )
    assert training.here() == 1
    ended = training.one(ev.Ended)
    assert (ended.status, ended.kind) == ("failed", "nan")
    assert "learning rate" in ended.remedy
    for path in checkpoint.complete(training.run):
        weights = mx.load(str(path / "adapters.safetensors"))
        assert all(mx.all(mx.isfinite(w)).item() for w in weights.values())
    assert all(e.loss < float("inf") for e in training.events(ev.Updated))


def test_state_says_what_it_is(prepare: Prepare, tmp_path: Path) -> None:
    training = prepare(iters=3, data=str(write_data(tmp_path / "d", train=4)), seed=5)
    assert training.here() == 0
    folder = training.run.checkpoints / "0000003"
    state = resume.read(folder)
    assert (state.update, state.epoch, state.position) == (3, 1, 1)
    assert (state.attempt, state.plan["seed"]) == (1, 5)
    assert state.validation_loss == training.events(ev.Validated)[-1].loss
    assert set(state.files) == {p.name for p in folder.iterdir()} - {"state.json"}
    assert {"mlx", "mlx-lm", "cockpit"} <= set(state.versions)
