"""The other end of ``worker.py``: starts it, asks it, gives up on it in time, and ends it."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from typing import IO, Any

from cockpit.errors import CockpitError

# Until the first answer mlx-lm is being imported.
START_SECONDS = 60.0


class TraceError(CockpitError):
    """There is no trace: the worker said why, or it did not answer."""


class TraceRefused(TraceError):
    """The plan cannot be trained on this model, so there is nothing to forecast."""


class TraceCancelled(TraceError):
    """Somebody called the trace off: nobody waits for its answer."""


class Worker:
    """One warm child process. Thread-safe; requests wait for each other."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "cockpit.memory.worker")):
        self._command = command
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._ready = False
        self._asked = 0
        # Counts the calls to ``cancel``: a request that came before one of them is off.
        self._cancelled = 0
        # Killed by ``cancel``, and perhaps not dead yet.
        self._doomed: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Starts the child unless it runs, and does not wait for it."""
        with self._lock:
            self._start()

    def ask(
        self,
        request: dict[str, Any],
        timeout_seconds: float,
        *,
        within_seconds: float | None = None,
    ) -> dict[str, Any]:
        """The worker's ``forecast``; raises TraceError if it has none in time.

        ``timeout_seconds`` is for the trace alone, ``within_seconds`` for all of it, with the
        requests before this one and a start.
        """
        before = self._cancelled
        deadline = None if within_seconds is None else time.monotonic() + within_seconds
        if not self._lock.acquire(timeout=-1 if within_seconds is None else within_seconds):
            raise _too_slow(within_seconds)
        try:
            self._start()
            # Whoever cancels counts first and then kills, so that one of the two is seen.
            self._raise_if_cancelled(before)
            if not self._ready:
                self._receive(_left(START_SECONDS, deadline), before)
                self._ready = True
            self._asked += 1
            self._send(request | {"id": self._asked}, before)
            answer = self._answer_to(self._asked, _left(timeout_seconds, deadline), before)
        finally:
            self._lock.release()
        if "error" in answer:
            kind = TraceRefused if answer.get("refused") else TraceError
            raise kind(**answer["error"])
        forecast: dict[str, Any] = answer["forecast"]
        return forecast

    def cancel(self) -> None:
        """Calls off what was asked so far: whoever waits for it is told at once.

        The child goes with it, and the next request starts another.
        """
        self._cancelled += 1
        child = self._child
        if child is not None:
            self._doomed = child
            child.kill()

    def close(self) -> None:
        """Ends the child and whatever it does, and waits until it is gone."""
        self.cancel()
        with self._lock:
            self._end()

    def _raise_if_cancelled(self, before: int) -> None:
        if self._cancelled != before:
            self._end()
            raise TraceCancelled("The trace was called off")

    def _start(self) -> None:
        child = self._child
        if child is not None and child is not self._doomed and child.poll() is None:
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

    def _send(self, request: dict[str, Any], before: int) -> None:
        assert self._child is not None and self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        except OSError as error:
            self._raise_if_cancelled(before)
            self._end()
            raise TraceError("The trace ended unexpectedly", str(error)) from error

    def _answer_to(self, asked: int, timeout_seconds: float, before: int) -> dict[str, Any]:
        """Who was interrupted while waiting left an answer behind: it is of another question."""
        until = time.monotonic() + timeout_seconds
        while True:
            answer = self._receive(_left(timeout_seconds, until), before)
            if answer.get("id", asked) == asked:
                return answer

    def _receive(self, timeout_seconds: float, before: int) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=timeout_seconds)
        except queue.Empty:
            self._end()
            raise _too_slow(timeout_seconds) from None
        if line is None:
            self._raise_if_cancelled(before)
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


def _left(seconds: float, deadline: float | None) -> float:
    return seconds if deadline is None else max(0.0, min(seconds, deadline - time.monotonic()))


def _too_slow(seconds: float | None) -> TraceError:
    return TraceError("The trace took too long", f"over {seconds or 0:.3g} s")


def _read_lines(stream: IO[str], into: queue.SimpleQueue[str | None]) -> None:
    """Passes lines on, and None when there are no more."""
    with contextlib.suppress(ValueError, OSError):
        for line in stream:
            into.put(line)
    into.put(None)
