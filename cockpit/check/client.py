"""The other end of ``worker.py``: asks it, waits in time, and says how it died if it did."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

from cockpit.system.process import signal_name


class StageError(Exception):
    """A stage failed; the text is the real error."""


class Client:
    """One child process, started when first asked and again after a crash.

    Use it in a ``with``, which ends the child whatever happens.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, do: str, timeout_seconds: float, **asked: Any) -> dict[str, Any]:
        """What the worker found; raises StageError if it failed, died or took too long."""
        child = self._started()
        assert child.stdin is not None and child.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(timeout_seconds, give_up)
        timer.start()
        try:
            child.stdin.write(json.dumps({"do": do} | asked, default=str) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except OSError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            code = child.wait()
            self._end()
            if late.is_set():
                raise StageError(f"it did not answer in {timeout_seconds:.0f} s")
            raise StageError(f"the process {how_it_ended(code)}")
        answer = json.loads(line)
        if "error" in answer:
            raise StageError(answer["error"])
        found: dict[str, Any] = answer["found"]
        return found

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "cockpit.check.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()


def how_it_ended(code: int) -> str:
    """``was ended by SIGSEGV``, or ``ended with code 1``."""
    if code >= 0:
        return f"ended with code {code}"
    return f"was ended by {signal_name(-code)}"
