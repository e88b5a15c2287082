"""Signals and a closed terminal: training stops when asked and only then."""

from __future__ import annotations

import os
import signal
import subprocess
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
