"""What one look at the machine yields before rates are known."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.core.samples import MemorySample


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample plus the swap counters since boot, in bytes."""

    sample: MemorySample
    swapped_in_bytes: int | None = None
    swapped_out_bytes: int | None = None
