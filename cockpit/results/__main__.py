"""``python -m cockpit.results JOB REQUEST``: one job, its messages on standard output.

Exit status: 0 done, 1 failed, 2 the request was wrong. SIGTERM ends it, and so does the death of
whoever started it; either way nothing half written stays behind.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from typing import IO, Any

from cockpit.errors import CockpitError
from cockpit.results.messages import Failed, Message, Result, encode
from cockpit.trainer import blas

LOOK_SECONDS = 1.0
# The module of each.
JOBS = {
    "evaluate": "evaluate",
    "answer": "answer",
    "converse": "conversation",
    "fuse": "fuse",
}


class _Ended(BaseException):
    """Somebody sent SIGTERM."""


class Mouth:
    """Writes messages to the parent; what else is printed must not look like one."""

    def __init__(self) -> None:
        self._out: IO[str] = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def __call__(self, message: Message) -> None:
        """Raises BrokenPipeError if nobody listens any more."""
        print(encode(message), file=self._out, flush=True)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in JOBS:
        print("usage: python -m cockpit.results JOB REQUEST", file=sys.stderr)
        return 2
    job, request = JOBS[arguments[0]], json.loads(arguments[1])
    say = Mouth()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        return _run(job, request, say)
    except (_Ended, BrokenPipeError):
        return 1


def _run(job: str, request: dict[str, Any], say: Mouth) -> int:
    blas.load()
    try:
        # Imports mlx, which has to come after the BLAS.
        document = importlib.import_module(f"cockpit.results.{job}").run(request, say)
    except CockpitError as error:
        say(Failed.of(error))
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception:
        # The parent reads these lines: mlx reports a lack of memory as a RuntimeError.
        traceback.print_exc()
        return 1
    say(Result(document))
    return 0


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Ended


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
