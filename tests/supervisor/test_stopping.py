"""Stopping a run: asked, then terminated, then killed."""

from __future__ import annotations

import signal

import pytest

from cockpit.core import events as ev
from cockpit.system import control, jsonl, process
from tests.supervisor.conftest import Supervised, wait_until


def press_harder(supervised: Supervised, answer: str) -> None:
    """Stops again until the grace period is over and the answer comes."""

    def answered() -> bool:
        said = control.stop(supervised.run)
        assert said.startswith("too early") or answer in said, said
        return answer in said

    wait_until(answered, answer)


def stops_written(supervised: Supervised) -> int:
    return len(jsonl.Tail(supervised.run.control).read())


def test_one_stop_is_enough_for_a_trainer_that_listens(supervised: Supervised) -> None:
    supervised.launch()
    supervised.until("running")
    assert "finish the update" in control.stop(supervised.run)
    supervised.until_over()
    assert supervised.state().status == "stopped"
    assert not [note for note in supervised.of(ev.Note) if "SIG" in note.message]


def test_a_second_stop_terminates_a_trainer_that_ignored_the_first(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "stubborn")
    supervised.launch()
    supervised.until("running")
    control.stop(supervised.run)
    press_harder(supervised, "terminating")
    supervised.until_over()
    assert stops_written(supervised) == 2
    assert ["SIGTERM" in n.message for n in supervised.of(ev.Note) if "SIG" in n.message] == [True]
    assert supervised.state().status == "stopped"


def test_a_third_stop_kills_a_trainer_that_ignored_both(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "deaf")
    supervised.launch()
    supervised.until("running")
    control.stop(supervised.run)
    press_harder(supervised, "terminating")
    press_harder(supervised, "killing")
    supervised.until_over()
    said = [note.message for note in supervised.of(ev.Note) if "SIG" in note.message]
    assert ["SIGTERM" in said[0], "SIGKILL" in said[1], len(said)] == [True, True, 2]
    (exit,) = supervised.of(ev.TrainerExited)
    assert exit.signal == "SIGKILL"
    assert exit.diagnosis is not None
    assert (exit.diagnosis.kind, exit.diagnosis.title) == ("killed", "Stopped by force, as asked")


def test_pressing_harder_replaces_a_dead_supervisor(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "stubborn")
    supervised.launch()
    state = supervised.until("running")
    assert state.supervisor is not None
    process.send_signal(state.supervisor, signal.SIGKILL)
    wait_until(lambda: not process.is_alive(state.supervisor), "the supervisor's death")
    control.stop(supervised.run)
    press_harder(supervised, "terminating")
    supervised.until_over()
    assert supervised.state().status == "stopped"
    assert len(supervised.of(ev.SupervisorStarted)) == 2


def test_there_is_nothing_to_stop_after_the_end(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "finish")
    supervised.launch()
    supervised.until_over()
    assert control.stop(supervised.run) == "nothing to stop: the run is completed"
    assert not supervised.run.control.exists()
