"""A run from launch to its end, and one supervisor and one trainer a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from cockpit.core import events as ev
from cockpit.errors import CockpitError
from cockpit.system import launcher, observe, process, run_dir
from cockpit.system.run_dir import RunDir
from tests.supervisor.conftest import PLAN, Supervised, wait_until


def test_a_run_to_its_end(supervised: Supervised, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "finish")
    supervised.launch()
    records = supervised.until_over()
    kinds = [type(e) for e in records if not isinstance(e, ev.Note)]
    assert kinds == [ev.SupervisorStarted, ev.TrainerStarted, ev.TrainerExited, ev.SupervisorEnded]
    (exit,) = supervised.of(ev.TrainerExited)
    assert (exit.exit_code, exit.signal, exit.diagnosis) == (0, None, None)
    assert supervised.state().status == "completed"
    assert supervised.run.supervisor_log.read_bytes() == b""


def test_launch_returns_with_the_trainer_alive_and_in_sessions_of_their_own(
    supervised: Supervised,
) -> None:
    supervised.launch()
    state = supervised.state()
    assert state.active
    assert state.trainer is not None and state.supervisor is not None
    assert process.is_alive(state.trainer) and process.is_alive(state.supervisor)
    sessions = {os.getsid(state.trainer[0]), os.getsid(state.supervisor[0]), os.getsid(0)}
    assert len(sessions) == 3


def test_memory_is_sampled_with_the_trainers_footprint(supervised: Supervised) -> None:
    supervised.launch()
    state = wait_until(
        lambda: s if (s := supervised.state()).memory and s.update > 0 else None, "a sample"
    )
    assert state.memory[0][1].ram_total_bytes
    assert state.memory[0][1].footprint_bytes


def test_launching_twice_starts_nothing_new(supervised: Supervised) -> None:
    supervised.launch()
    supervised.until("running")
    supervised.launch()
    assert len(supervised.of(ev.SupervisorStarted)) == 1
    assert supervised.trainers_started() == 1


def test_concurrent_launches_start_one_trainer(supervised: Supervised) -> None:
    script = (
        "import sys; from pathlib import Path; from cockpit.system import launcher, run_dir;"
        "sys.stdin.read(); launcher.launch(run_dir.RunDir(Path(sys.argv[1])))"
    )
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(supervised.run.path)], stdin=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.close()
    assert [rival.wait() for rival in rivals] == [0, 0, 0]
    supervised.until("running")
    assert len(supervised.of(ev.SupervisorStarted)) == 1
    assert supervised.trainers_started() == 1


def test_the_next_attempt_starts_while_the_last_supervisor_is_still_leaving(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "finish")
    supervised.launch()
    wait_until(lambda: supervised.of(ev.TrainerExited), "the first attempt's end")
    run_dir.add_attempt(supervised.run, PLAN)
    supervised.launch()
    assert [event.attempt for event in supervised.of(ev.TrainerStarted)] == [1, 2]
    wait_until(lambda: len(supervised.of(ev.TrainerExited)) == 2, "the second attempt's end")
    state = supervised.state()
    assert (state.attempt, state.status) == (2, "completed")


def test_a_trainer_that_cannot_be_started_is_an_event(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_TRAINER_COMMAND", "/no/such/program --flag")
    supervised.launch()
    supervised.until_over()
    state = supervised.state()
    assert state.status == "failed"
    assert state.diagnosis is not None
    assert state.diagnosis.kind == "not_started"
    assert "/no/such/program" in state.diagnosis.evidence[0]
    assert observe.summary(supervised.run).document()["diagnosis"]["kind"] == "not_started"


def test_a_supervisor_that_dies_at_once_is_an_error_with_its_last_words(home: object) -> None:
    run = run_dir.create(PLAN)
    (run.path / "supervisor.lock").mkdir()
    with pytest.raises(CockpitError) as raised:
        launcher.launch(run)
    assert "supervisor.lock" in raised.value.message
    state = observe.current_state(run)
    assert state.status == "failed"
    assert state.diagnosis is not None and "supervisor.lock" in state.diagnosis.evidence[0]


def test_an_unwritable_run_is_refused(home: object) -> None:
    run = run_dir.create(PLAN)
    run.supervisor_log.mkdir()
    with pytest.raises(CockpitError) as raised:
        launcher.launch(run)
    assert str(run.supervisor_log) in raised.value.message


def test_a_run_that_was_never_launched_is_not_running(home: object) -> None:
    run = run_dir.create(PLAN)
    assert observe.current_state(run).status == "starting"
    os.utime(run.attempt(1).path, (1, 1))
    state = observe.current_state(run)
    assert state.status == "failed"
    assert state.diagnosis is not None and state.diagnosis.kind == "not_started"


def test_sigterm_on_the_supervisor_stops_the_trainer_gracefully(supervised: Supervised) -> None:
    supervised.launch()
    state = supervised.until("running")
    assert state.supervisor is not None
    assert process.send_signal(state.supervisor, signal.SIGTERM)
    supervised.until_over()
    assert supervised.state().status == "stopped"
    (exit,) = supervised.of(ev.TrainerExited)
    assert exit.exit_code == 0


@pytest.mark.parametrize("arguments", [[], ["/no/such/run"]])
def test_misuse_of_the_module_is_one_line(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "cockpit.supervisor", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_the_supervisor_imports_no_heavy_module() -> None:
    script = (
        "import json, sys; import cockpit.supervisor.__main__;"
        "print(json.dumps([m for m in sys.modules if m.split('.')[0] in "
        "('mlx', 'mlx_lm', 'textual', 'numpy', 'plotext', 'asyncio', 'yaml')]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert json.loads(done.stdout) == []


def test_a_run_is_found_by_its_path_alone(supervised: Supervised) -> None:
    supervised.launch()
    same = RunDir(supervised.run.path)
    assert observe.summary(same).status in ("starting", "running")


def test_the_supervisor_is_light(supervised: Supervised) -> None:
    """It lives as long as the training and next to it: 40 MB at most."""
    supervised.launch()
    state = wait_until(
        lambda: s if len((s := supervised.state()).memory) > 1 else None, "memory samples"
    )
    assert state.supervisor is not None
    assert psutil.Process(state.supervisor[0]).memory_info().rss < 40e6
