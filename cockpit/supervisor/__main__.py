"""``python -m cockpit.supervisor RUN_PATH``: started by ``cockpit.system.launcher``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from cockpit.supervisor.guardian import Guardian
from cockpit.supervisor.wakeup import Wakeup
from cockpit.system import history, run_lock
from cockpit.system.run_dir import RunDir

USAGE = "usage: python -m cockpit.supervisor RUN_PATH"
# A supervisor that is on its way out lets go of the lock well within this.
LOCK_SECONDS = 10.0
LOCK_POLL_SECONDS = 0.05


def main(arguments: list[str]) -> int:
    """0: the run was watched to its end, or already is; 1: it could not be; 2: misused."""
    if len(arguments) != 1:
        print(USAGE, file=sys.stderr)
        return 2
    run = RunDir(Path(arguments[0]).absolute())
    wakeup = Wakeup()
    try:
        return _watch(run, wakeup)
    except OSError as error:
        print(f"{error.filename or run.path}: {error.strerror}", file=sys.stderr)
        return 1


def _watch(run: RunDir, wakeup: Wakeup) -> int:
    attempts = run.attempts()
    if not attempts:
        print(f"{run.path}: there is no attempt to start", file=sys.stderr)
        return 1
    deadline = time.monotonic() + LOCK_SECONDS
    while run_lock.acquire(run) is None:
        if attempts[-1].number in history.trainers(run):
            return 0
        if time.monotonic() > deadline:
            print("another supervisor holds the run's lock and starts nothing", file=sys.stderr)
            return 1
        time.sleep(LOCK_POLL_SECONDS)
    # The lock stays with this process: the descriptor is closed by its end.
    Guardian(run, wakeup).run_to_the_end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
