"""What was asked of which attempt: the commands meant for it, and whether a person stopped it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from cockpit.core.events import parse_command
from cockpit.system import checkpoints, jsonl
from cockpit.system.run_dir import AttemptDir, RunDir

# The sender of the guard's stop: a person's first one after it asks, and does not press harder.
GUARD = "guard"


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where an attempt's commands begin: at a byte of control.jsonl, and not before a time.

    Attempts say the place; those of before they did are told from the one before by the time,
    which is wrong once the clock was set.
    """

    place: int = 0
    since: float = 0.0


class StopFollower:
    """The times of the stops that people meant for the trainer of an attempt.

    What is there at the first look counts from the attempt's beginning on, what is appended
    later counts whatever its time: the clock may be set while the trainer lives.
    """

    def __init__(self, run: RunDir, beginning: Beginning):
        self._tail = jsonl.Tail(run.control, beginning.place)
        self._since = beginning.since
        self._times: list[float] = []

    def times(self) -> list[float]:
        """All so far; reads only what is new. Raises OSError if the file cannot be read."""
        while lines := self._tail.read():
            commands = filter(None, map(parse_command, lines))
            stops = (c for c in commands if c.action == "stop" and c.sender != GUARD)
            self._times += [c.t for c in stops if c.t >= self._since]
        self._since = 0.0
        return self._times


def beginning(attempt: AttemptDir) -> Beginning:
    """From where on commands are meant for this attempt: all of them, for the first one."""
    if attempt.number == 1:
        return Beginning()
    with contextlib.suppress(ValueError):
        request = checkpoints.request(attempt.path)
        if request is not None and request.commands_from is not None:
            return Beginning(place=request.commands_from)
    try:
        return Beginning(since=attempt.plan_path.stat().st_mtime)
    except OSError:
        return Beginning(since=time.time())


def to_stop(run: RunDir, attempt: AttemptDir) -> bool:
    """Whether a person is known to have asked to stop since ``attempt`` was made; the guard is
    none."""
    with contextlib.suppress(OSError):
        return bool(StopFollower(run, beginning(attempt)).times())
    return False
