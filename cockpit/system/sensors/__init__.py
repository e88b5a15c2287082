"""Memory gauges that need no root: one reading costs well under a millisecond of CPU.

``Sensors`` remembers the swap counters between readings, which is what turns them into rates.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol

from cockpit.core.samples import MemorySample
from cockpit.system.sensors.reading import ProcessReading, Reading


class MemorySource(Protocol):
    """What an operating system's module provides."""

    def read(self, trainer_pid: int | None = None) -> Reading: ...
    def process(self, pid: int) -> ProcessReading: ...


class Sensors:
    """Reads memory once a call; the first call has no swap rates yet.

    ``counted`` names the cgroup whose kills the last reading counted, None the machine's.
    """

    def __init__(
        self, source: MemorySource | None = None, clock: Callable[[], float] = time.monotonic
    ):
        self._source = source or machine_source()
        self._clock = clock
        self._before: tuple[float, Reading] | None = None
        self.counted: str | None = None

    def read(self, trainer_pid: int | None = None) -> MemorySample:
        """Memory now. Whatever this machine does not say, or ``trainer_pid`` gone, is None."""
        reading, now = self._source.read(trainer_pid), self._clock()
        before, self._before = self._before, (now, reading)
        self.counted = reading.counted
        if before is None:
            return reading.sample
        seconds, last = now - before[0], before[1]
        return reading.sample.model_copy(
            update={
                "swap_in_bytes_per_second": _rate(
                    last.swapped_in_bytes, reading.swapped_in_bytes, seconds
                ),
                "swap_out_bytes_per_second": _rate(
                    last.swapped_out_bytes, reading.swapped_out_bytes, seconds
                ),
            }
        )

    def process(self, pid: int) -> ProcessReading:
        """One process now: a single file or call, cheap enough for many times a second."""
        return self._source.process(pid)


def read_memory(trainer_pid: int | None = None) -> MemorySample:
    """A single reading, without swap rates."""
    return machine_source().read(trainer_pid).sample


def machine_source() -> MemorySource:
    """The reader for this operating system; one that knows nothing where there is none."""
    if sys.platform == "darwin":
        from cockpit.system.sensors.macos import MacMemory

        return MacMemory()
    if sys.platform == "linux":
        from cockpit.system.sensors.linux import LinuxMemory

        return LinuxMemory()
    return _Unknown()


class _Unknown:
    def read(self, trainer_pid: int | None = None) -> Reading:
        return Reading(MemorySample())

    def process(self, pid: int) -> ProcessReading:
        return ProcessReading()


def _rate(before: int | None, after: int | None, seconds: float) -> float | None:
    """Bytes per second; None if either end is unknown or the counter was reset."""
    if before is None or after is None or after < before or seconds <= 0:
        return None
    return (after - before) / seconds
