"""The real program on real terminals: of several kinds, on a stalled line, and one that is lost."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cockpit.system import process, run_dir, run_lock
from tests.supervisor.conftest import STAND_IN, Supervised, wait_until
from tests.ui import recorded_runs as recorded
from tests.ui.conftest import GIVE_UP_SECONDS, demo_plan

COCKPIT = [sys.executable, "-m", "cockpit"]
LEAVES_THE_SCREEN, SHOWS_THE_CURSOR = "\x1b[?1049l", "\x1b[?25h"


class Terminal:
    """A cockpit on a pseudo-terminal of 80 x 24, which is not the one that controls it."""

    def __init__(self, *arguments: str, term: str = "xterm-256color") -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.child = subprocess.Popen(
            [*COCKPIT, *arguments],
            env=os.environ | {"TERM": term},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def read_until(self, text: str) -> str:
        """All that was shown, once ``text`` was; "" waits for the end."""
        while not text or text not in self.shown:
            assert select.select([self.ours], [], [], GIVE_UP_SECONDS)[0], self.shown[-2000:]
            try:
                block = os.read(self.ours, 1 << 16)
            except OSError:
                assert not text, self.shown[-2000:]
                break
            self.shown += block.decode("utf-8", "replace")
        return self.shown

    def press(self, key: str) -> None:
        os.write(self.ours, key.encode())

    @property
    def unread(self) -> int:
        """Bytes that wait to be read."""
        answer = fcntl.ioctl(self.ours, termios.FIONREAD, b"\0" * 4)
        return int.from_bytes(answer, sys.byteorder)

    def end(self) -> None:
        self.child.kill()
        self.child.wait()


@pytest.mark.parametrize("term", ["xterm", "screen", "tmux-256color", "xterm-kitty"])
def test_it_starts_quits_and_leaves_the_terminal_as_it_was(term: str) -> None:
    terminal = Terminal("attach", recorded.completed().name, term=term)
    try:
        terminal.read_until("✓ completed")
        terminal.press("q")
        shown = terminal.read_until("")
        assert terminal.child.wait(GIVE_UP_SECONDS) == 0
    finally:
        terminal.end()
    afterwards = shown.rpartition(LEAVES_THE_SCREEN)[2]
    assert SHOWS_THE_CURSOR in afterwards and "Traceback" not in shown


def test_a_terminal_that_can_show_no_screen_gets_lines() -> None:
    terminal = Terminal("attach", recorded.completed().name, term="dumb")
    try:
        shown = terminal.read_until("")
        assert terminal.child.wait(GIVE_UP_SECONDS) == 0
    finally:
        terminal.end()
    assert "200" in shown and "\x1b" not in shown


@pytest.fixture
def supervised(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervised]:
    """A run that trains, by a trainer without mlx."""
    monkeypatch.setenv("COCKPIT_TRAINER_COMMAND", shlex.join([sys.executable, str(STAND_IN)]))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    it = Supervised(run_dir.create(demo_plan()))
    it.launch()
    it.until("running")
    yield it
    it.end_processes()


def test_training_goes_on_over_a_stalled_line_and_after_it_is_cut(supervised: Supervised) -> None:
    def go_on(updates: int = 100) -> None:
        seen = supervised.state().update
        wait_until(lambda: supervised.state().update > seen + updates, "more updates")

    def nothing_gets_through() -> bool:
        before = terminal.unread
        terminal.press("M")  # draws most of the screen anew
        go_on()
        return before == terminal.unread > 0

    terminal = Terminal("attach", supervised.run.name)
    try:
        wait_until(nothing_gets_through, "a stalled line")
        go_on()
        state = supervised.state()
        assert process.is_alive(state.supervisor) and supervised.trainers_started() == 1
        below = psutil.Process(terminal.child.pid).children(recursive=True)
        os.close(terminal.ours)
        assert terminal.child.wait(GIVE_UP_SECONDS) == -signal.SIGHUP
        wait_until(lambda: not any(each.is_running() for each in below), "the end of its children")
        go_on()
        assert run_lock.is_held(supervised.run)
    finally:
        terminal.end()
