"""The other end of ``worker.py``: starts it, asks it, gives up on it in time, and ends it."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from typing import IO, Any

from cockpit.errors import CockpitError

# Until the first answer mlx-lm is being imported.
START_SECONDS = 60.0


class TraceError(CockpitError):
    """There is no trace: the worker said why, or it did not answer."""


class Worker:
    """One warm child process. Thread-safe; requests wait for each other."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "cockpit.memory.worker")):
        self._command = command
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._ready = False
        self._asked = 0

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Starts the child unless it runs, and does not wait for it."""
        with self._lock:
            self._start()

    def ask(self, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """The worker's ``forecast``; raises TraceError if it has none in time."""
        with self._lock:
            self._start()
            if not self._ready:
                self._receive(START_SECONDS)
                self._ready = True
            self._asked += 1
            self._send(request | {"id": self._asked})
            answer = self._receive(timeout_seconds)
        if "error" in answer:
            raise TraceError(**answer["error"])
        forecast: dict[str, Any] = answer["forecast"]
        return forecast

    def close(self) -> None:
        """Ends the child and waits until it is gone."""
        with self._lock:
            self._end()

    def _start(self) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        self._end()
        self._child = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert self._child.stdout is not None
        self._answers = queue.SimpleQueue()
        reader = threading.Thread(
            target=_read_lines, args=(self._child.stdout, self._answers), daemon=True
        )
        reader.start()

    def _send(self, request: dict[str, Any]) -> None:
        assert self._child is not None and self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        except OSError as error:
            self._end()
            raise TraceError("The trace ended unexpectedly", str(error)) from error

    def _receive(self, timeout_seconds: float) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=timeout_seconds)
        except queue.Empty:
            self._end()
            raise TraceError("The trace took too long", f"over {timeout_seconds:g} s") from None
        if line is None:
            self._end()
            raise TraceError("The trace ended unexpectedly")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> None:
        child, self._child, self._ready = self._child, None, False
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _read_lines(stream: IO[str], into: queue.SimpleQueue[str | None]) -> None:
    """Passes lines on, and None when there are no more."""
    with contextlib.suppress(ValueError, OSError):
        for line in stream:
            into.put(line)
    into.put(None)
