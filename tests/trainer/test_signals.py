"""Signals, a closed terminal and a full disk: training stops when asked and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

from cockpit.core import events as ev
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]

ENDLESS = 1_000_000


def test_sigterm_finishes_saves_and_ends(prepare: Prepare) -> None:
    training = prepare(iters=ENDLESS).start()
    training.until(lambda: training.losses)
    for number in (signal.SIGHUP, signal.SIGINT):
        assert training.process is not None
        os.kill(training.process.pid, number)
    more = len(training.losses) + 2
    training.until(lambda: len(training.losses) >= more)
    training.terminate()
    assert training.wait() == 0
    ended = training.one(ev.Ended)
    assert (ended.status, ended.update) == ("stopped", len(training.losses))
    assert training.events(ev.Checkpointed)[-1].update == ended.update


def test_sigterm_while_loading_ends_without_a_checkpoint(prepare: Prepare) -> None:
    training = prepare(iters=ENDLESS).start()
    training.until(lambda: training.events(ev.Started))
    training.terminate()
    assert training.wait() == 0
    assert training.one(ev.Ended).status == "stopped"


def test_a_closed_standard_output_changes_nothing(prepare: Prepare) -> None:
    training = prepare(iters=200).start(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert training.process is not None
    for stream in (training.process.stdout, training.process.stderr):
        assert stream is not None
        stream.close()
    assert training.wait() == 0
    assert training.one(ev.Ended).status == "completed"


# A limit on file size stands in for a full disk: it can be lifted while training runs.
LIMITED = (
    "import resource, runpy, signal, sys; "
    "limit = lambda n: resource.setrlimit(resource.RLIMIT_FSIZE, (n, resource.RLIM_INFINITY)); "
    "limit(int(sys.argv.pop(1))); "
    "signal.signal(signal.SIGUSR1, lambda *_: limit(resource.RLIM_INFINITY)); "
    "runpy.run_module('cockpit.trainer', run_name='__main__', alter_sys=True)"
)


def limited(training: Training, limit_bytes: int) -> Training:
    log = training.run.attempt(training.number).log.open("a")
    training.process = subprocess.Popen(
        [sys.executable, "-c", LIMITED, str(limit_bytes), str(training.run.path), "1"],
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    log.close()
    return training


def test_a_checkpoint_that_does_not_fit_is_a_note_and_is_tried_again(prepare: Prepare) -> None:
    training = limited(prepare(iters=ENDLESS, save_every=20, steps_per_eval=ENDLESS), 60_000)
    note = training.until(lambda: [e for e in training.events(ev.Note) if e.level == "error"])[0]
    assert "update 20 could not be written" in note.message and "space" in note.remedy
    assert training.events(ev.Checkpointed) == []
    assert list(training.run.checkpoints.iterdir()) == []
    assert training.process is not None
    training.process.send_signal(signal.SIGUSR1)
    training.until(lambda: training.events(ev.Checkpointed))
    training.terminate()
    assert training.wait() == 0


def test_a_finished_run_waits_for_room_for_its_result(prepare: Prepare) -> None:
    training = limited(prepare(iters=3), 60_000)
    training.until(lambda: [e for e in training.events(ev.Note) if e.level == "error"])
    assert training.process is not None
    training.process.send_signal(signal.SIGUSR1)
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
    training = limited(prepare(iters=ENDLESS, save_every=ENDLESS, steps_per_eval=ENDLESS), 8_000)
    path = training.run.attempt(1).trainer_events
    training.until(lambda: path.exists() and path.stat().st_size == 8_000)
    written = len(training.losses)
    training.send("stop")
    assert training.process is not None
    training.process.send_signal(signal.SIGUSR1)
    assert training.wait() == 0
    updates = [e.update for e in training.events(ev.Updated)]
    assert len(updates) > written
    assert updates == list(range(1, len(updates) + 1))
    assert any("written late" in note.message for note in training.events(ev.Note))
    assert training.events()[-1].type == "end"  # type: ignore[attr-defined]
