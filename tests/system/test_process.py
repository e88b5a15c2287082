"""A process is its pid and its start: nothing else with that pid is it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from cockpit.system import process

SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", SLEEP, "some", "path", "7"])
    yield started
    started.kill()
    started.wait()


def test_a_process_is_alive_until_it_ends(child: subprocess.Popen[bytes]) -> None:
    who = process.identity(child.pid)
    assert who is not None and process.is_alive(who)
    assert abs(who[1] - time.time()) < 60, "start times are Unix time"
    child.kill()
    child.wait()
    assert not process.is_alive(who)
    assert process.identity(child.pid) is None


def test_a_zombie_is_dead(child: subprocess.Popen[bytes]) -> None:
    who = process.identity(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.is_alive(who)


def test_a_pid_given_to_another_program_is_not_ours(child: subprocess.Popen[bytes]) -> None:
    who = process.identity(child.pid)
    assert who is not None
    earlier = (who[0], who[1] - 3600)
    assert not process.is_alive(earlier)
    assert not process.send_signal(earlier, signal.SIGKILL)
    assert process.is_alive(who), "and it was left alone"


def test_a_start_time_rounded_differently_is_the_same_process() -> None:
    pid, started = process.identity(os.getpid()) or (0, 0.0)
    assert process.is_alive((pid, started + 1))


@pytest.mark.parametrize("who", [None, (0, 1.0), (-5, 1.0), (2**40, 1.0)])
def test_nonsense_is_not_alive(who: process.Identity | None) -> None:
    assert not process.is_alive(who)


def test_a_group_is_signalled_only_by_its_leader(child: subprocess.Popen[bytes]) -> None:
    who = process.identity(child.pid)
    assert who is not None
    # The child is in this test's own group: signalling that would end the test.
    assert process.send_signal(who, signal.SIGTERM, group=True)
    assert child.wait() == -signal.SIGTERM


def test_a_process_is_found_by_consecutive_arguments(child: subprocess.Popen[bytes]) -> None:
    assert process.find_by_arguments("some", "path", "7") == process.identity(child.pid)
    assert process.find_by_arguments("some", "7") is None
