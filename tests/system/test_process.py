"""A process is its pid and its start: nothing else with that pid is it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
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


@pytest.fixture
def another_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str | None], None]]:
    """Makes this machine one that was booted again, or one without boot ids."""

    def boot(identifier: str | None) -> None:
        path = tmp_path / "boot_id"
        if identifier is not None:
            path.write_text(identifier + "\n")
        monkeypatch.setattr(process, "_BOOT_ID", path)
        process._boot_number.cache_clear()

    yield boot
    monkeypatch.undo()
    process._boot_number.cache_clear()


@pytest.mark.skipif(not psutil.LINUX, reason="macOS keeps the start as Unix time")
def test_setting_the_clock_changes_nothing(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = process.identity(child.pid)
    booted = psutil.boot_time()
    # What a step of an hour looks like on Linux: the boot moves, as Unix time.
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: booted + 3600)
    assert process.identity(child.pid) == before
    assert process.is_alive(before)


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux's moments name their boot")
def test_a_process_of_an_earlier_boot_is_known_as_one(
    child: subprocess.Popen[bytes], another_boot: Callable[[str | None], None]
) -> None:
    who = process.identity(child.pid)
    assert who is not None
    assert process.is_alive(who) and not process.is_of_an_earlier_boot(who)
    another_boot("3c0ffee0-0000-4000-8000-000000000000")
    assert process.is_of_an_earlier_boot(who)
    assert not process.is_alive(who), "whatever has its pid now"


def test_without_boot_ids_a_moment_is_unix_time_give_or_take(
    child: subprocess.Popen[bytes], another_boot: Callable[[str | None], None]
) -> None:
    another_boot(None)
    pid, started = process.identity(child.pid) or (0, 0.0)
    assert abs(started - time.time()) < 3600
    assert process.is_alive((pid, started + 1)), "rounded differently"
    assert not process.is_alive((pid, started - 60))
    assert not process.is_of_an_earlier_boot((pid, started)), "nobody can say"


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
