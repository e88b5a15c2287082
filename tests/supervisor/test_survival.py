"""Whatever happens to the launching process or its terminal, the run goes on; whoever of the
run's own processes dies, the others stay right."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import psutil
import pytest

from cockpit.core import events as ev
from cockpit.system import launcher, observe, process, run_dir, run_lock
from tests.supervisor.conftest import PLAN, Supervised, wait_until

LAUNCH = (
    # Whoever runs the tests in the background has SIGINT ignored, and that is inherited.
    "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "import sys, time; from pathlib import Path; from cockpit.system import launcher, run_dir;"
    "launcher.launch(run_dir.RunDir(Path(sys.argv[1]))); print('launched', flush=True);"
    "time.sleep(600)"
)


def launch_from_another_process(supervised: Supervised) -> subprocess.Popen[bytes]:
    other = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(supervised.run.path)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"launched\n"
    return other


def assert_it_goes_on(supervised: Supervised) -> None:
    state = supervised.until("running")
    assert process.is_alive(state.supervisor) and process.is_alive(state.trainer)
    seen = state.update
    wait_until(lambda: supervised.state().update > seen + 5, "further updates")
    assert supervised.state().status == "running"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_the_run_survives_its_launchers_process_group(
    supervised: Supervised, number: signal.Signals
) -> None:
    other = launch_from_another_process(supervised)
    os.killpg(other.pid, number)
    assert other.wait() == -number, "the launcher itself was hit"
    assert_it_goes_on(supervised)


def test_the_run_survives_its_terminal_closing(supervised: Supervised) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = [sys.executable, "-c", LAUNCH, str(supervised.run.path)]
        os.execv(sys.executable, arguments)
    said = b""
    while b"launched" not in said:
        said += os.read(terminal, 1024)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGHUP, "the launcher itself was hung up on"
    assert_it_goes_on(supervised)


def test_the_run_goes_on_when_its_terminal_stalls(supervised: Supervised) -> None:
    """Nobody reads the terminal, so the launcher blocks in a write for good."""
    pid, terminal = pty.fork()
    if pid == 0:
        flood = LAUNCH.replace("time.sleep(600)", "[print('x' * 1000) for _ in range(10**9)]")
        os.execv(sys.executable, [sys.executable, "-c", flood, str(supervised.run.path)])
    said = b""
    while b"launched" not in said:
        said += os.read(terminal, 1024)
    try:
        assert_it_goes_on(supervised)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(pid, 0)


def test_sighup_to_supervisor_and_trainer_is_ignored(supervised: Supervised) -> None:
    supervised.launch()
    state = supervised.until("running")
    for who in (state.supervisor, state.trainer):
        assert who is not None and process.send_signal(who, signal.SIGHUP)
    assert_it_goes_on(supervised)


def test_a_dead_supervisor_leaves_the_trainer_and_the_next_one_adopts_it(
    supervised: Supervised,
) -> None:
    supervised.launch()
    before = supervised.until("running")
    assert before.supervisor is not None and before.trainer is not None
    process.send_signal(before.supervisor, signal.SIGKILL)
    wait_until(lambda: not process.is_alive(before.supervisor), "the supervisor's death")
    assert supervised.state().status == "running", "the trainer lives, so the run does"

    supervised.launch()
    after = supervised.state()
    assert after.trainer == before.trainer and after.supervisor != before.supervisor
    assert supervised.trainers_started() == 1

    process.send_signal(before.trainer, signal.SIGTERM)
    supervised.until_over()
    (exit,) = supervised.of(ev.TrainerExited)
    assert (exit.exit_code, exit.diagnosis) == (None, None)
    assert supervised.state().status == "stopped"


def test_whoever_attaches_replaces_a_dead_supervisor_and_no_other(supervised: Supervised) -> None:
    assert not launcher.replace_dead_supervisor(supervised.run), "nothing was ever started"
    supervised.launch()
    before = supervised.until("running")
    assert before.supervisor is not None and before.trainer is not None
    assert not launcher.replace_dead_supervisor(supervised.run), "it lives"

    process.send_signal(before.supervisor, signal.SIGKILL)
    wait_until(lambda: not run_lock.is_held(supervised.run), "the supervisor's death")
    assert launcher.replace_dead_supervisor(supervised.run)
    assert supervised.trainers_started() == 1
    assert supervised.of(ev.TrainerStarted)[-1].pid == before.trainer[0]

    process.send_signal(before.trainer, signal.SIGTERM)
    supervised.until_over()
    assert not launcher.replace_dead_supervisor(supervised.run), "the run is over"


def test_a_trainer_that_nobody_has_recorded_yet_shows_as_starting(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor died between starting it and saying so; it needs seconds to speak."""
    monkeypatch.setenv("STAND_IN", "mute")
    supervised.launch()
    supervisor = supervised.of(ev.SupervisorStarted)[0]
    trainer = supervised.of(ev.TrainerStarted)[0]
    process.send_signal((supervisor.pid, supervisor.pid_created), signal.SIGKILL)
    wait_until(lambda: not run_lock.is_held(supervised.run), "the supervisor's death")
    supervised.run.supervisor_events.write_bytes(supervisor.line())
    watcher = observe.RunWatcher(supervised.run)
    assert watcher.poll().status == "starting"
    assert observe.summary(supervised.run).status == "starting"
    process.send_signal((trainer.pid, trainer.pid_created), signal.SIGKILL)
    wait_until(lambda: watcher.poll().status == "failed", "its death to be seen")


def test_a_trainer_of_an_older_attempt_is_adopted_before_a_newer_one_is_started(
    supervised: Supervised,
) -> None:
    """There must never be two, even if nobody recorded the first."""
    supervised.launch()
    before = supervised.until("running")
    assert before.supervisor is not None and before.trainer is not None
    process.send_signal(before.supervisor, signal.SIGKILL)
    wait_until(lambda: not run_lock.is_held(supervised.run), "the supervisor's death")
    supervised.run.supervisor_events.write_bytes(supervised.of(ev.SupervisorStarted)[0].line())
    supervised.run.attempt(1).trainer_events.unlink()
    run_dir.add_attempt(supervised.run, PLAN)
    supervised.launch()
    (adopted,) = supervised.of(ev.TrainerStarted)
    assert (adopted.attempt, adopted.pid) == (1, before.trainer[0])
    process.send_signal(before.trainer, signal.SIGKILL)


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux's moments name their boot")
def test_a_trainer_from_before_a_restart_is_recorded_as_lost_to_it(supervised: Supervised) -> None:
    pid, now = process.identity(os.getpid()) or (0, 0.0)
    earlier = now + 2**27
    told = ev.TrainerStarted(attempt=1, pid=pid, pid_created=earlier)
    supervised.run.supervisor_events.write_bytes(
        ev.SupervisorStarted(pid=pid, pid_created=earlier).line() + told.line()
    )
    supervised.launch()
    supervised.until_over()
    (exit,) = supervised.of(ev.TrainerExited)
    assert exit.diagnosis is not None and exit.diagnosis.kind == "restart"
    assert supervised.trainers_started() == 0, "nothing is started that was not asked for"


def test_a_trainer_nobody_recorded_is_found_by_its_command_line(supervised: Supervised) -> None:
    supervised.launch()
    before = supervised.until("running")
    assert before.supervisor is not None
    process.send_signal(before.supervisor, signal.SIGKILL)
    wait_until(lambda: not process.is_alive(before.supervisor), "the supervisor's death")
    # As if it had died between starting the trainer and saying so.
    supervised.run.supervisor_events.write_bytes(ev.SupervisorStarted(pid=1, pid_created=1).line())
    supervised.run.attempt(1).trainer_events.unlink()

    supervised.launch()
    (adopted,) = supervised.of(ev.TrainerStarted)
    assert (adopted.pid, adopted.pid_created) == before.trainer


def test_a_killed_trainer_is_seen_and_diagnosed(supervised: Supervised) -> None:
    supervised.launch()
    state = supervised.until("running")
    assert state.trainer is not None
    wait_until(lambda: supervised.state().memory, "a memory sample")
    process.send_signal(state.trainer, signal.SIGKILL)
    failed = supervised.until("failed")
    supervised.until_over()
    (exit,) = supervised.of(ev.TrainerExited)
    assert (exit.exit_code, exit.signal) == (137, "SIGKILL")
    assert failed.ended_at is not None
    assert exit.diagnosis is not None and exit.diagnosis.kind in ("killed", "unknown")
    assert "ended by SIGKILL" in exit.diagnosis.evidence


def test_when_both_die_the_run_is_not_running(supervised: Supervised) -> None:
    supervised.launch()
    state = supervised.until("running")
    watcher = observe.RunWatcher(supervised.run)
    assert watcher.poll().status == "running"
    for who in (state.supervisor, state.trainer):
        assert who is not None
        process.send_signal(who, signal.SIGKILL)
    wait_until(lambda: watcher.poll().status == "failed", "the death to be seen")
    assert watcher.state.diagnosis is not None
    assert observe.summary(supervised.run).status == "failed"


def test_after_both_died_the_next_supervisor_records_it_and_starts_nothing(
    supervised: Supervised,
) -> None:
    supervised.launch()
    state = supervised.until("running")
    for who in (state.supervisor, state.trainer):
        assert who is not None
        process.send_signal(who, signal.SIGKILL)
        wait_until(lambda who=who: not process.is_alive(who), "its death")
    supervised.launch()
    supervised.until_over()
    (exit,) = supervised.of(ev.TrainerExited)
    assert exit.exit_code is None and exit.diagnosis is not None
    assert supervised.trainers_started() == 1
    assert supervised.state().status == "failed"


@pytest.mark.parametrize(
    ("behaviour", "code", "signal_name", "kind", "evidence"),
    [
        ("raise", 1, None, "error", "RuntimeError: something nobody thought of"),
        ("metal", 134, "SIGABRT", "allocation", "Insufficient Memory"),
        ("segfault", 139, "SIGSEGV", "unknown", "ended by SIGSEGV"),
    ],
)
def test_an_exit_is_classified(
    supervised: Supervised,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: str,
    code: int,
    signal_name: str | None,
    kind: str,
    evidence: str,
) -> None:
    monkeypatch.setenv("STAND_IN", behaviour)
    supervised.launch()
    supervised.until_over()
    (exit,) = supervised.of(ev.TrainerExited)
    assert (exit.exit_code, exit.signal) == (code, signal_name)
    assert exit.diagnosis is not None and exit.diagnosis.kind == kind
    assert any(evidence in line for line in exit.diagnosis.evidence)
    document = observe.summary(supervised.run).document()
    assert document["status"] == "failed" and document["diagnosis"]["kind"] == kind
