"""Which memory readings are worth a line: one comes every second, for days."""

from __future__ import annotations

from cockpit.core.events import MemorySampled
from cockpit.core.samples import MemorySample
from cockpit.supervisor.journal import Journal

QUIET_SECONDS = 10.0
# A smaller step than this is not seen in a gauge of a hundred cells.
STEP_SHARE = 1 / 256
SMALLEST_STEP_BYTES = 16 << 20
STEP_PERCENT = 3.0
STEP_RATE_BYTES = 4 << 20


class SampleJournal:
    """Writes the readings that tell something.

    A reading that moved is written, after the last one before it moved, so that a line drawn
    through the written ones is the true one. Nothing moving, one is written every QUIET_SECONDS:
    about 3 MB a day instead of 26.
    """

    def __init__(self, journal: Journal):
        self._journal = journal
        self._written: MemorySampled | None = None
        self._held: MemorySampled | None = None

    def add(self, event: MemorySampled) -> None:
        last = self._written
        if last is None or has_moved(last.sample, event.sample):
            self.flush()
            self._write(event)
        elif event.t - last.t >= QUIET_SECONDS or event.t < last.t:
            self._write(event)
        else:
            self._held = event

    def flush(self) -> None:
        """Writes the reading that was held back, if there is one: the last before a change."""
        if self._held is not None:
            self._write(self._held)

    def _write(self, event: MemorySampled) -> None:
        self._journal.write(event)
        self._written, self._held = event, None


_BYTES = (
    "ram_available_bytes",
    "ram_used_bytes",
    "swap_used_bytes",
    "wired_bytes",
    "compressed_bytes",
    "footprint_bytes",
    "limit_used_bytes",
)
_PERCENT = ("pressure_some_percent", "pressure_full_percent", "free_percent")
_RATES = ("swap_in_bytes_per_second", "swap_out_bytes_per_second")


def has_moved(before: MemorySample, after: MemorySample) -> bool:
    """Whether a gauge would look different."""
    if (before.pressure, before.oom_kills) != (after.pressure, after.oom_kills):
        return True
    total = after.limit_bytes or after.ram_total_bytes or 0
    step = max(SMALLEST_STEP_BYTES, total * STEP_SHARE)
    steps = ((_BYTES, step), (_PERCENT, STEP_PERCENT), (_RATES, STEP_RATE_BYTES))
    return any(
        _differs(getattr(before, name), getattr(after, name), least)
        for names, least in steps
        for name in names
    )


def _differs(before: float | None, after: float | None, step: float) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) >= step
