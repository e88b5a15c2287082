"""``python -m cockpit.trainer RUN_PATH ATTEMPT_NUMBER``: one attempt, from start to last word.

Exit status: 0 completed or stopped, 1 failed, 2 the request was wrong. SIGTERM finishes the
update, saves and ends; SIGINT and SIGHUP are ignored: a terminal that closes stops nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from cockpit.trainer import blas
from cockpit.trainer.failures import StopFlag


def main(arguments: list[str]) -> int:
    try:
        path, number = Path(arguments[0]), int(arguments[1])
    except (IndexError, ValueError):
        print("usage: python -m cockpit.trainer RUN_PATH ATTEMPT_NUMBER", file=sys.stderr)
        return 2
    stop = StopFlag()
    signal.signal(signal.SIGTERM, lambda *_: stop.request())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    fast_blas = blas.load()
    # Imports mlx, which has to come after the BLAS.
    from cockpit.trainer.attempt import train

    return train(path, number, stop, fast_blas)


def _flush_or_forget() -> None:
    """A log that is full or closed must not change the exit status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            with open(os.devnull, "wb") as nothing:  # noqa: PTH123
                os.dup2(nothing.fileno(), stream.fileno())


if __name__ == "__main__":
    status = main(sys.argv[1:])
    _flush_or_forget()
    sys.exit(status)
