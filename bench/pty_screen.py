"""A full-screen program on a pseudo-terminal: what it sends, takes and answers."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator

import psutil

WIDTH, HEIGHT = 120, 40
GIVE_UP_SECONDS = 120.0
# An answer is over when nothing has come for so long.
ANSWERED_SECONDS = 0.25


class Screen:
    """A program on a pseudo-terminal of its own, of which every byte is read and timed."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        self.child = subprocess.Popen(
            command,
            env=os.environ | environment | {"TERM": "xterm-256color", "LANG": "C.UTF-8"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.process = psutil.Process(self.child.pid)
        self.received = bytearray()
        self.last_at = time.perf_counter()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while block := os.read(self._ours, 1 << 16):
                self.received += block
                self.last_at = time.perf_counter()

    def press(self, key: str) -> float:
        """Sends the key; milliseconds until the last byte of what came of it."""
        start, before = time.perf_counter(), len(self.received)
        os.write(self._ours, key.encode())
        self.wait(lambda: len(self.received) > before, f"answer to {key!r}")
        self.wait_until_still(ANSWERED_SECONDS)
        return (self.last_at - start) * 1e3

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.perf_counter() + GIVE_UP_SECONDS
        while not condition():
            if time.perf_counter() > deadline or self.child.poll() is not None:
                raise SystemExit(f"no {what}; the terminal received {self.received[-2000:]!r}")
            time.sleep(0.0005)

    def wait_for(self, text: str) -> None:
        self.wait(lambda: text.encode() in self.received, repr(text))

    def wait_until_still(self, seconds: float) -> None:
        self.wait(lambda: time.perf_counter() - self.last_at > seconds, "stillness")

    def over(self, seconds: float) -> tuple[float, float]:
        """Bytes and CPU seconds of the program and its children, each per second."""
        start, before, cpu = time.perf_counter(), len(self.received), self.cpu_seconds()
        time.sleep(seconds)
        took = time.perf_counter() - start
        return (len(self.received) - before) / took, (self.cpu_seconds() - cpu) / took

    def cpu_seconds(self) -> float:
        spent = 0.0
        for each in (self.process, *self.process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                spent += times.user + times.system
        return spent

    def memory_mb(self) -> dict[str, float | None]:
        """RSS, and PSS where there is one: pages shared with others count in part."""
        full = self.process.memory_full_info()
        pss = getattr(full, "pss", None)
        return {"rss_mb": full.rss / 1e6, "pss_mb": pss / 1e6 if pss else None}

    def close(self) -> None:
        self.child.kill()
        self.child.wait()
        self._reader.join(5)
        os.close(self._ours)


@contextlib.contextmanager
def shown(command: list[str], environment: dict[str, str]) -> Iterator[Screen]:
    screen = Screen(command, environment)
    try:
        yield screen
    finally:
        screen.close()
