"""macOS memory: XNU's answers decoded. Written from sources, not validated on a Mac.

Layouts: osfmk/mach/vm_statistics.h, bsd/sys/resource.h, bsd/sys/sysctl.h. The calls
themselves are in ``darwin``; here are only bytes, so every line is tested anywhere.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

from cockpit.core.samples import MemorySample, Pressure
from cockpit.system.sensors.reading import ProcessReading, Reading

# struct vm_statistics64 up to rev1; later kernels only append to it.
_VM_STATISTICS64 = struct.Struct("<4I9Q2I4Q4IQ")
# struct xsw_usage: total, available, used, page size, encrypted.
_XSW_USAGE = struct.Struct("<3Q2I")
# struct rusage_info_v4: 16 bytes of uuid, then 64-bit fields; ri_phys_footprint is the eighth,
# ri_lifetime_max_phys_footprint the twenty-ninth.
_FOOTPRINT = struct.Struct("<16x56xQ")
_PEAK_FOOTPRINT = struct.Struct("<16x224xQ")

_PRESSURE: dict[int, Pressure] = {1: "normal", 2: "warning", 4: "critical"}


class Kernel(Protocol):
    """Raw answers; None where the kernel gave none."""

    def sysctl(self, name: str) -> bytes | None: ...
    def vm_statistics(self) -> bytes | None: ...
    def page_bytes(self) -> int | None: ...
    def rusage(self, pid: int) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class VmPages:
    """The fields of vm_statistics64 that are shown, in pages."""

    wired: int
    compressor: int
    internal: int
    purgeable: int
    swapped_in: int
    swapped_out: int

    @property
    def used(self) -> int:
        """App memory, wired and compressed: what Activity Monitor adds up as used."""
        return max(0, self.internal - self.purgeable) + self.wired + self.compressor


def parse_int(answer: bytes | None) -> int | None:
    """A sysctl of type int or quad."""
    if answer is None or len(answer) not in (4, 8):
        return None
    return int.from_bytes(answer, "little", signed=True)


def parse_text(answer: bytes | None) -> str | None:
    """A sysctl of type string."""
    return answer.rstrip(b"\0").decode("utf-8", "replace") if answer else None


def parse_vm_statistics(answer: bytes | None) -> VmPages | None:
    """``host_statistics64(HOST_VM_INFO64)``; None if shorter than rev1."""
    if answer is None or len(answer) < _VM_STATISTICS64.size:
        return None
    fields = _VM_STATISTICS64.unpack_from(answer)
    return VmPages(
        wired=fields[3],
        purgeable=fields[13],
        swapped_in=fields[17],
        swapped_out=fields[18],
        compressor=fields[19],
        internal=fields[22],
    )


def parse_swap_usage(answer: bytes | None) -> tuple[int | None, int | None]:
    """``vm.swapusage`` as (total, used) bytes."""
    if answer is None or len(answer) < _XSW_USAGE.size:
        return None, None
    total, _available, used, _page, _encrypted = _XSW_USAGE.unpack_from(answer)
    return total, used


def parse_footprint(answer: bytes | None) -> int | None:
    """``ri_phys_footprint``, what jetsam compares: it counts GPU memory that RSS misses."""
    return _field(_FOOTPRINT, answer)


def parse_peak_footprint(answer: bytes | None) -> int | None:
    """``ri_lifetime_max_phys_footprint``; None from a kernel that answers a shorter struct."""
    return _field(_PEAK_FOOTPRINT, answer)


def _field(place: struct.Struct, answer: bytes | None) -> int | None:
    if answer is None or len(answer) < place.size:
        return None
    value: int = place.unpack_from(answer)[0]
    return value


def parse_pressure_level(answer: bytes | None) -> Pressure | None:
    """``kern.memorystatus_vm_pressure_level``; an unknown level is None."""
    level = parse_int(answer)
    return None if level is None else _PRESSURE.get(level)


class MacMemory:
    """Reads this Mac, or the answers a test's ``kernel`` plays back."""

    def __init__(self, kernel: Kernel | None = None):
        if kernel is None:
            from cockpit.system.sensors.darwin import DarwinKernel

            kernel = DarwinKernel()
        self._kernel = kernel

    def read(self, trainer_pid: int | None = None) -> Reading:
        kernel = self._kernel
        vm = _Bytes.of(parse_vm_statistics(kernel.vm_statistics()), kernel.page_bytes())
        total = parse_int(kernel.sysctl("hw.memsize"))
        swap_total, swap_used = parse_swap_usage(kernel.sysctl("vm.swapusage"))
        sample = MemorySample(
            ram_total_bytes=total,
            ram_used_bytes=vm.used,
            ram_available_bytes=(
                None if total is None or vm.used is None else max(0, total - vm.used)
            ),
            swap_total_bytes=swap_total,
            swap_used_bytes=swap_used,
            pressure=parse_pressure_level(kernel.sysctl("kern.memorystatus_vm_pressure_level")),
            free_percent=parse_int(kernel.sysctl("kern.memorystatus_level")),
            wired_bytes=vm.wired,
            compressed_bytes=vm.compressor,
            footprint_bytes=(
                None if trainer_pid is None else self.process(trainer_pid).footprint_bytes
            ),
        )
        return Reading(sample, vm.swapped_in, vm.swapped_out)

    def process(self, pid: int) -> ProcessReading:
        """One call. macOS limits no address space."""
        usage = self._kernel.rusage(pid)
        return ProcessReading(
            footprint_bytes=parse_footprint(usage), peak_bytes=parse_peak_footprint(usage)
        )


@dataclass(frozen=True, slots=True)
class _Bytes:
    used: int | None = None
    wired: int | None = None
    compressor: int | None = None
    swapped_in: int | None = None
    swapped_out: int | None = None

    @classmethod
    def of(cls, pages: VmPages | None, page_bytes: int | None) -> _Bytes:
        if pages is None or page_bytes is None:
            return cls()
        return cls(
            used=pages.used * page_bytes,
            wired=pages.wired * page_bytes,
            compressor=pages.compressor * page_bytes,
            swapped_in=pages.swapped_in * page_bytes,
            swapped_out=pages.swapped_out * page_bytes,
        )
