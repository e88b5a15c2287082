"""What one look at the machine, or at one process, yields."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.core.samples import MemorySample


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample plus the swap counters since boot, in bytes.

    ``counted`` names what its ``oom_kills`` count: only two of the same can be compared.
    """

    sample: MemorySample
    swapped_in_bytes: int | None = None
    swapped_out_bytes: int | None = None
    counted: str | None = None


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """One process now, and the most it ever took; None where the system does not say.

    ``footprint_bytes`` is what MemorySample calls so. The peak is of what was resident: swapped
    out bytes are not in it. The address space is what ``ulimit -v`` counts, and ``file_bytes`` are
    pages of files, which the kernel can drop: resident, and not in the footprint.
    """

    footprint_bytes: int | None = None
    peak_bytes: int | None = None
    address_space_bytes: int | None = None
    peak_address_space_bytes: int | None = None
    file_bytes: int | None = None
