"""Keeps the machine from sleeping while a run lives, and says whether it could.

The helper ends with its holder, even one killed with -9: ``caffeinate -w`` watches the pid, and
under ``systemd-inhibit`` a ``cat`` reads a pipe whose other end only the holder has.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import IO, Self

# systemd-inhibit may wait for D-Bus or a polkit question nobody will answer.
_ANSWER_SECONDS = 5.0
# caffeinate says nothing when it holds; with a bad option it is gone at once.
_REFUSAL_SECONDS = 0.2
_EXIT_SECONDS = 2.0


class KeepAwake:
    """Holds the machine awake from ``start`` to ``close``; also a context manager.

    ``method`` is the tool that holds, or None; ``reason`` says in words what is held or why
    nothing is. Nothing here raises: a run without it is still a run.
    """

    def __init__(self, why: str = "training run", platform: str = sys.platform):
        self._why = why
        self._platform = platform
        self._child: subprocess.Popen[bytes] | None = None
        self.method: str | None = None
        self.reason = "not started"

    @property
    def active(self) -> bool:
        """Whether the helper still runs."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> Self:
        """Ask the system to stay awake; does nothing if it already does for us."""
        if self.active:
            return self
        self.method = None
        try:
            with tempfile.TemporaryFile() as errors:
                if self._platform == "darwin":
                    self._caffeinate(errors)
                elif self._platform == "linux":
                    self._inhibit(errors)
                else:
                    self.reason = f"no way to prevent sleep is known on {self._platform}"
        except OSError as error:
            self.close()
            self.reason = f"sleep is not prevented: {error}"
        return self

    def close(self) -> None:
        """Let the machine sleep again; calling it twice is fine."""
        child, self._child = self._child, None
        self.method = None
        if child is None:
            return
        self.reason = "closed"
        # terminate first: closing the pipe would also end it, but only once cat has read it.
        with contextlib.suppress(OSError):
            child.terminate()
        if child.stdin:
            with contextlib.suppress(OSError):
                child.stdin.close()
        try:
            child.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _caffeinate(self, errors: IO[bytes]) -> None:
        """-i idle sleep, -s system sleep on mains. Not -d: an awake display brings the GPU
        watchdog that kills long kernels (``Impacting Interactivity``)."""
        tool = shutil.which("caffeinate")
        if tool is None:
            self.reason = "sleep is not prevented: caffeinate was not found"
            return
        self._child = subprocess.Popen(
            [tool, "-i", "-s", "-w", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            self._child.wait(_REFUSAL_SECONDS)
        except subprocess.TimeoutExpired:
            self._hold("caffeinate", "on battery a closed lid still sleeps")
        else:
            self._refuse("caffeinate", errors)

    def _inhibit(self, errors: IO[bytes]) -> None:
        tool = shutil.which("systemd-inhibit")
        if tool is None:
            self.reason = "sleep is not prevented: systemd-inhibit was not found"
            return
        command = [tool, "--what=idle:sleep", "--who=mlx-cockpit", f"--why={self._why}"]
        # The command runs only once the lock is taken, so its first byte is the answer.
        command += ["--mode=block", "sh", "-c", "echo held; exec cat >/dev/null"]
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        assert self._child.stdout is not None
        with self._child.stdout as answers:
            answered, _, _ = select.select([answers], [], [], _ANSWER_SECONDS)
            held = bool(answered) and answers.read(1) == b"h"
        if held:
            self._hold("systemd-inhibit", "idle and sleep are blocked")
        else:
            self._refuse("systemd-inhibit", errors)

    def _hold(self, tool: str, detail: str) -> None:
        self.method = tool
        self.reason = f"kept awake by {tool}; {detail}"

    def _refuse(self, tool: str, errors: IO[bytes]) -> None:
        self.close()
        errors.seek(0)
        said = errors.read(2000).decode("utf-8", "replace").strip().splitlines()
        self.reason = f"sleep is not prevented: {tool} " + (
            f"said: {said[0]}" if said else "did not answer"
        )
