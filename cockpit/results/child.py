"""The parent's end: starts the process that works with mlx, listens to it, and ends it.

The child is in a session of its own, so that the terminal's Ctrl-C reaches only the parent,
which ends it. A parent that is killed leaves no child behind either: it notices.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO, Any, Literal

from cockpit.core.diagnosis import MEMORY_KINDS, recognise
from cockpit.errors import CockpitError
from cockpit.results.messages import Failed, Message, Result, decode
from cockpit.system.process import signal_name

Job = Literal["evaluate", "answer", "converse", "fuse"]

END_SECONDS = 5.0
LOG_BYTES = 16 * 1024
LOG_LINES = 4

_LESS_MEMORY = "Close what else uses memory, or work on a machine with more of it."


class Child:
    """One job in a process of its own; use it in a ``with``, which ends it whatever happens."""

    def __init__(
        self,
        job: Job,
        request: dict[str, Any],
        command: tuple[str, ...] = (sys.executable, "-m", "cockpit.results"),
    ):
        self._ended = False
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, job, json.dumps(request)],
            stdin=subprocess.PIPE if job == "converse" else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._log.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def tell(self, fields: dict[str, Any]) -> None:
        """One line for a child that converses. ``messages`` says why if it is gone."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(fields) + "\n")
            self._process.stdin.flush()

    def messages(self) -> Iterator[Message]:
        """What it says until it is done; raises the CockpitError that it failed with.

        A child that ``end`` or ``kill`` ended just says no more.
        """
        assert self._process.stdout is not None
        done = False
        for line in self._process.stdout:
            message = decode(line)
            if isinstance(message, Failed):
                raise message.error()
            if message is not None:
                yield message
            done = isinstance(message, Result)
        code = self._process.wait()
        if not (done or self._ended):
            raise self._died(code)

    def end(self) -> None:
        """Ends the child, at once if it does not end by itself, and waits until it is gone."""
        self._ended = True
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self._process.wait()

    def kill(self) -> None:
        """Ends a child at once that writes nothing; whoever hears its messages waits for it."""
        self._ended = True
        if self.runs:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _died(self, code: int) -> CockpitError:
        """Why a child is gone that left no last word, as far as its last lines tell."""
        lines = self._last_lines()
        how = f"exit code {code}" if code >= 0 else f"ended by {signal_name(-code)}"
        if (found := recognise(lines)) is not None:
            signature, line = found
            remedy = _LESS_MEMORY if signature.kind in MEMORY_KINDS else signature.remedy
            return CockpitError(signature.title, f"{line}\n{how}", remedy, exit_code=1)
        remedy = "Run it again; these are the last lines that it printed."
        if -code in (signal.SIGKILL, signal.SIGSEGV):
            remedy = f"It may have been memory. {_LESS_MEMORY}"
        return CockpitError(
            "The work on the model ended without a result",
            "\n".join([how, *lines[-LOG_LINES:]]),
            remedy,
            exit_code=1,
        )

    def _last_lines(self) -> list[str]:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LOG_BYTES))
        text = self._log.read().decode("utf-8", "replace")
        return [line.strip() for line in text.splitlines() if line.strip()]
