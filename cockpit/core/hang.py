"""When a trainer that says nothing is a trainer that hangs: pure rules.

Some GPU errors leave a process that neither ends nor goes on (mlx issue 2821, CUDA). Silence
alone proves nothing: a long batch, a new length to compile and a slow disk are silent too. So
only a trainer that makes updates is watched, it is given many times what its own updates took,
time in which it or the machine slept does not count, and it is ended only if its log says that
the GPU failed. Otherwise, if it does not compute either, a person is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# A GPU that failed, for whatever reason; a warning about it does not count.
GPU_ERROR = re.compile(
    r"\[METAL\] Command buffer execution failed|kIOGPUCommandBufferCallbackError|"
    r"\bcuda\w*\s*\(.*\bfailed\b|\bcuda error\b|\bcudnn\w*\s*\(.*\bfailed\b",
    re.IGNORECASE,
)

# Silence that is no concern, in the run's own updates and at least in seconds.
USUAL_UPDATES = 20.0
SLOWEST_UPDATES = 5.0
LEAST_SECONDS = 60.0
# After the warning, before a trainer whose GPU failed is ended.
GRACE_FACTOR = 2.0
LEAST_GRACE_SECONDS = 300.0
# So few updates say nothing about what is usual.
FEWEST_UPDATES = 3
# A process that computes less than this share of one core stands still.
STILL_SHARE = 0.02

Answer = Literal["fine", "warn", "end"]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the trainer. ``at`` and ``cpu_seconds`` only ever grow; None is unknown.

    ``events`` counts what the trainer wrote; ``making_updates`` is False while it loads,
    compiles its first update, validates, saves or is paused.
    """

    at: float
    events: int
    making_updates: bool
    update_seconds: Sequence[float]
    cpu_seconds: float | None = None
    suspended: bool = False


class HangRules:
    """Counts a trainer's silence, look by look, about ``tick_seconds`` apart."""

    def __init__(
        self,
        tick_seconds: float = 1.0,
        least_seconds: float = LEAST_SECONDS,
        least_grace_seconds: float = LEAST_GRACE_SECONDS,
    ):
        self.silent_seconds = 0.0
        self.threshold_seconds = 0.0
        self._tick_seconds = tick_seconds
        self._least_seconds = least_seconds
        self._least_grace_seconds = least_grace_seconds
        self._last: Look | None = None
        self._cpu_at_start: float | None = None
        self._warned = False

    def see(self, look: Look) -> Answer:
        """``warn`` once a silence; ``end`` is for a GPU that failed, see ``gpu_failed``."""
        before, self._last = self._last, look
        spoke = before is None or look.events != before.events
        if spoke or not look.making_updates or len(look.update_seconds) < FEWEST_UPDATES:
            self.silent_seconds, self._cpu_at_start, self._warned = 0.0, look.cpu_seconds, False
            return "fine"
        assert before is not None
        if look.suspended:
            return "fine"
        # A longer pause than that: this process, or the machine, was asleep as well.
        self.silent_seconds += min(look.at - before.at, 2 * self._tick_seconds)
        usual = sorted(look.update_seconds)[len(look.update_seconds) // 2]
        self.threshold_seconds = max(
            self._least_seconds, USUAL_UPDATES * usual, SLOWEST_UPDATES * max(look.update_seconds)
        )
        grace = max(self._least_grace_seconds, GRACE_FACTOR * self.threshold_seconds)
        if self.silent_seconds >= self.threshold_seconds + grace:
            return "end"
        if self.silent_seconds >= self.threshold_seconds and not self._warned:
            self._warned = True
            return "warn"
        return "fine"

    @property
    def stands_still(self) -> bool | None:
        """Whether it has not computed since it fell silent; None if that is not known."""
        cpu = self._last.cpu_seconds if self._last is not None else None
        if cpu is None or self._cpu_at_start is None or not self.silent_seconds:
            return None
        return cpu - self._cpu_at_start < STILL_SHARE * self.silent_seconds


def gpu_failed(log_tail: Sequence[str]) -> str | None:
    """The newest line in a log that tells of a failed GPU."""
    return next((line.strip() for line in reversed(log_tail) if GPU_ERROR.search(line)), None)
