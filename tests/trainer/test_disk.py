"""A full disk: training waits, says so, and goes on by itself when there is room."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.trainer import disk
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]

ENDLESS = 1_000_000

# A limit on file size stands in for a full disk: it can be lifted while training runs.
LIMITED = (
    "import resource, runpy, signal, sys; "
    "limit = lambda n: resource.setrlimit(resource.RLIMIT_FSIZE, (n, resource.RLIM_INFINITY)); "
    "limit(int(sys.argv.pop(1))); "
    "signal.signal(signal.SIGUSR1, lambda *_: limit(resource.RLIM_INFINITY)); "
    "runpy.run_module('cockpit.trainer', run_name='__main__', alter_sys=True)"
)


def limited(training: Training, limit_bytes: int, stdout: int = subprocess.DEVNULL) -> Training:
    log = training.run.attempt(training.number).log.open("a")
    training.process = subprocess.Popen(
        [sys.executable, "-c", LIMITED, str(limit_bytes), str(training.run.path), "1"],
        stdout=stdout,
        stderr=log,
        text=True,
    )
    log.close()
    training.started.append(training.process)
    return training


def lifted(training: Training) -> None:
    assert training.process is not None
    training.process.send_signal(signal.SIGUSR1)


def test_a_checkpoint_that_does_not_fit_pauses_the_run_until_it_does(prepare: Prepare) -> None:
    training = limited(prepare(iters=ENDLESS, save_every=20, steps_per_eval=ENDLESS), 60_000)
    paused = training.until(lambda: training.events(ev.Paused))[0]
    assert paused.update == 20 and paused.reason.startswith("disk full: ")
    (note,) = [e for e in training.events(ev.Note) if e.level == "error"]
    assert "update 20 could not be written" in note.message and "space" in note.remedy
    assert training.events(ev.Checkpointed) == []
    assert list(training.run.checkpoints.iterdir()) == []
    assert len(training.losses) == 20
    lifted(training)
    training.until(lambda: training.events(ev.Resumed))
    assert training.events(ev.Checkpointed)[0].update == 20
    training.until(lambda: len(training.losses) > 20)
    training.terminate()
    assert training.wait() == 0


def test_while_it_waits_for_the_disk_a_run_obeys(prepare: Prepare) -> None:
    training = limited(prepare(iters=ENDLESS, save_every=20, steps_per_eval=ENDLESS), 60_000)
    training.until(lambda: training.events(ev.Paused))
    training.send("resume")
    training.send("pause")
    training.until(lambda: len(training.events(ev.Acknowledged)) == 2)
    refused, paused = training.events(ev.Acknowledged)
    assert (refused.accepted, paused.accepted) == (False, True) and "disk" in refused.message
    lifted(training)
    training.send("resume")
    training.until(lambda: training.events(ev.Checkpointed))
    training.send("stop")
    assert training.wait() == 0
    assert training.one(ev.Ended).status == "stopped"


def test_a_stop_on_a_full_disk_says_what_is_lost(prepare: Prepare) -> None:
    training = limited(prepare(iters=ENDLESS, save_every=20, steps_per_eval=ENDLESS), 60_000)
    training.until(lambda: training.events(ev.Paused))
    training.send("stop")
    assert training.wait() == 0
    ended = training.one(ev.Ended)
    assert (ended.status, ended.update) == ("stopped", 20)
    assert "could not be saved" in ended.title and "no checkpoint" in ended.message


def test_a_finished_run_waits_for_room_for_its_result(prepare: Prepare) -> None:
    training = limited(prepare(iters=3), 60_000)
    training.until(lambda: [e for e in training.events(ev.Note) if e.level == "error"])
    lifted(training)
    assert training.wait() == 0
    assert training.one(ev.Checkpointed).reason == "final"
    assert training.one(ev.Ended).status == "completed"


def test_a_finished_run_without_room_ends_as_failed_when_told_to(prepare: Prepare) -> None:
    training = limited(prepare(iters=3), 60_000)
    training.until(lambda: [e for e in training.events(ev.Note) if e.level == "error"])
    training.terminate()
    assert training.wait() == 1
    assert training.one(ev.Ended).kind == "disk"


def test_events_that_do_not_fit_come_late_and_in_order(prepare: Prepare) -> None:
    endless = prepare(iters=ENDLESS, save_every=ENDLESS, steps_per_eval=ENDLESS)
    training = limited(endless, 8_000, stdout=subprocess.PIPE)
    path = training.run.attempt(1).trainer_events
    training.until(lambda: path.exists() and path.stat().st_size == 8_000)
    written = len(training.losses)
    assert training.process is not None and training.process.stdout is not None
    next(line for line in training.process.stdout if f"update {written + 2}: " in line)
    training.send("stop")
    lifted(training)
    assert training.wait() == 0
    updates = [e.update for e in training.events(ev.Updated)]
    assert len(updates) > written
    assert updates == list(range(1, len(updates) + 1))
    assert any("written late" in note.message for note in training.events(ev.Note))
    assert training.events()[-1].type == "end"  # type: ignore[attr-defined]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 32 MiB, where one may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up_pauses_training_before_a_checkpoint_is_due(
    prepare: Prepare, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(small_disk))
    training = prepare(iters=ENDLESS, save_every=ENDLESS, steps_per_eval=ENDLESS).start()
    training.until(lambda: training.losses)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(28 << 20))
    paused = training.until(lambda: training.events(ev.Paused))[0]
    assert "MB are free" in paused.reason
    ballast.unlink()
    training.until(lambda: training.events(ev.Resumed))
    training.terminate()
    assert training.wait() == 0
    assert training.one(ev.Ended).update == training.events(ev.Checkpointed)[-1].update


def test_room_is_what_the_disk_says_it_has(tmp_path: Path) -> None:
    assert disk.Room(tmp_path, 0).lacking() is None
    lacking = disk.Room(tmp_path, 1 << 60).lacking()
    assert lacking and "MB are free" in lacking and "1152921504615.2 MB" in lacking
    assert disk.Room(tmp_path / "not there", 1 << 60).lacking() is None
