"""What was asked of which attempt: the commands meant for it, and whether a person stopped it."""

from __future__ import annotations

import time

from cockpit.core.events import parse_command
from cockpit.system import jsonl
from cockpit.system.run_dir import AttemptDir, RunDir

# The sender of the guard's stop: a person's first one after it asks, and does not press harder.
GUARD = "guard"


class StopFollower:
    """The times of the stops that people meant for the trainer of an attempt made at ``since``.

    What is there at the first look counts by its time, what is appended later counts whatever
    its time: the clock may be set while the trainer lives.
    """

    def __init__(self, run: RunDir, since: float):
        self._tail = jsonl.Tail(run.control)
        self._since = since
        self._times: list[float] = []

    def times(self) -> list[float]:
        """All so far; reads only what is new. Raises OSError if the file cannot be read."""
        while lines := self._tail.read():
            commands = filter(None, map(parse_command, lines))
            stops = (c for c in commands if c.action == "stop" and c.sender != GUARD)
            self._times += [c.t for c in stops if c.t >= self._since]
        self._since = 0.0
        return self._times


def asked_since(attempt: AttemptDir) -> float:
    """From when on commands are meant for this attempt: all of them, for the first one."""
    if attempt.number == 1:
        return 0.0
    try:
        return attempt.plan_path.stat().st_mtime
    except OSError:
        return time.time()


def to_stop(run: RunDir, attempt: AttemptDir) -> bool:
    """Whether a person asked to stop since ``attempt`` was made; the guard is none.

    Raises OSError if the commands cannot be read.
    """
    return bool(StopFollower(run, asked_since(attempt)).times())
