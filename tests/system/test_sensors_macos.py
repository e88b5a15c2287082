"""macOS answers decoded.

No Mac was at hand: the figures are those real Macs printed with ``vm_stat`` and ``sysctl`` in
published reports, packed here into the structs those commands read, field for field after XNU's
headers. Decoding is what these tests hold; the calls in ``darwin`` are not validated.
"""

from __future__ import annotations

import struct

import pytest

from cockpit.system.sensors import Sensors
from cockpit.system.sensors.macos import (
    MacMemory,
    parse_footprint,
    parse_int,
    parse_pressure_level,
    parse_swap_usage,
    parse_text,
    parse_vm_statistics,
)
from cockpit.system.sensors.reading import ProcessReading

PAGE = 16384

# A Mac mini with 32 GiB, page size 16384, no swap used since boot.
MAC_MINI_VM_STAT = """\
Pages free:                                4237.
Pages active:                            917009.
Pages inactive:                          915467.
Pages speculative:                          714.
Pages throttled:                              0.
Pages wired down:                        122843.
Pages purgeable:                          25873.
"Translation faults":                5488508184.
Pages copy-on-write:                  158461859.
Pages zero filled:                   3653384477.
Pages reactivated:                     16156609.
Pages purged:                           2032405.
File-backed pages:                       481807.
Anonymous pages:                        1351383.
Pages stored in compressor:              270077.
Pages occupied by compressor:            102144.
Decompressions:                         5461138.
Compressions:                          12632526.
Pageins:                               38884890.
Pageouts:                                915132.
Swapins:                                      0.
Swapouts:                                     0.
"""


def vm_statistics(vm_stat: str, **changed: int) -> bytes:
    """struct vm_statistics64 (osfmk/mach/vm_statistics.h) with the figures of a vm_stat."""
    printed = {}
    for line in vm_stat.splitlines():
        name, _, value = line.rpartition(":")
        printed[name.strip('"')] = int(value.strip().rstrip("."))
    printed |= changed
    natural, wide = "I", "Q"
    fields = [
        (natural, "Pages free"),
        (natural, "Pages active"),
        (natural, "Pages inactive"),
        (natural, "Pages wired down"),
        (wide, "Pages zero filled"),
        (wide, "Pages reactivated"),
        (wide, "Pageins"),
        (wide, "Pageouts"),
        (wide, "Translation faults"),
        (wide, "Pages copy-on-write"),
        (wide, "lookups"),
        (wide, "hits"),
        (wide, "Pages purged"),
        (natural, "Pages purgeable"),
        (natural, "Pages speculative"),
        (wide, "Decompressions"),
        (wide, "Compressions"),
        (wide, "Swapins"),
        (wide, "Swapouts"),
        (natural, "Pages occupied by compressor"),
        (natural, "Pages throttled"),
        (natural, "File-backed pages"),
        (natural, "Anonymous pages"),
        (wide, "Pages stored in compressor"),
    ]
    return b"".join(struct.pack("<" + kind, printed.get(name, 0)) for kind, name in fields)


def swap_usage(total_mib: float, used_mib: float) -> bytes:
    """struct xsw_usage (bsd/sys/sysctl.h) for ``vm.swapusage: total = …M used = …M``."""
    total, used = int(total_mib * 2**20), int(used_mib * 2**20)
    return struct.pack("<QQQII", total, total - used, used, PAGE, 1)


def rusage(footprint: int, peak: int = 0) -> bytes:
    """struct rusage_info_v4 (bsd/sys/resource.h): ri_phys_footprint after ri_resident_size."""
    uuid = bytes(range(16))
    before = [11, 12, 13, 14, 15, 16, 17]  # user, system, 2 wake-ups, pageins, wired, resident
    version_2 = list(range(20, 30))  # times, the children's, bytes read and written
    version_3 = list(range(30, 39))  # seven qualities of service, billed and serviced time
    version_4 = [39, peak, *range(41, 47)]  # logical writes, lifetime's peak footprint, the rest
    fields = [*before, footprint, *version_2, *version_3, *version_4]
    return uuid + struct.pack(f"<{len(fields)}Q", *fields)


class PlayedKernel:
    """Answers as bytes; what it was not given, it does not know."""

    def __init__(
        self,
        sysctls: dict[str, bytes] | None = None,
        vm: bytes | None = None,
        page: int | None = None,
        usage: dict[int, bytes] | None = None,
    ):
        self._sysctls, self.vm, self._page, self._usage = sysctls or {}, vm, page, usage or {}

    def sysctl(self, name: str) -> bytes | None:
        return self._sysctls.get(name)

    def vm_statistics(self) -> bytes | None:
        return self.vm

    def page_bytes(self) -> int | None:
        return self._page

    def rusage(self, pid: int) -> bytes | None:
        return self._usage.get(pid)


def mac_mini() -> PlayedKernel:
    return PlayedKernel(
        sysctls={
            "hw.memsize": struct.pack("<Q", 34_359_738_368),
            "vm.swapusage": swap_usage(11264.00, 9652.19),
            "kern.memorystatus_vm_pressure_level": struct.pack("<I", 2),
            "kern.memorystatus_level": struct.pack("<I", 88),
        },
        vm=vm_statistics(MAC_MINI_VM_STAT),
        page=PAGE,
        usage={501: rusage(9_876_543_210, 12_000_000_000)},
    )


def test_the_struct_has_the_size_the_kernel_counts() -> None:
    assert len(vm_statistics(MAC_MINI_VM_STAT)) == 38 * 4  # HOST_VM_INFO64_COUNT integers
    assert len(rusage(0)) == 296


def test_a_mac_mini_is_read() -> None:
    sample = MacMemory(mac_mini()).read(501).sample

    used = (1_351_383 - 25_873 + 122_843 + 102_144) * PAGE
    assert sample.ram_total_bytes == 34_359_738_368
    assert sample.ram_used_bytes == used
    assert sample.ram_available_bytes == 34_359_738_368 - used
    assert sample.wired_bytes == 122_843 * PAGE
    assert sample.compressed_bytes == 102_144 * PAGE
    assert sample.swap_total_bytes == 11_264 * 2**20
    assert sample.swap_used_bytes == int(9652.19 * 2**20)
    assert sample.pressure == "warning"
    assert sample.free_percent == 88
    assert sample.footprint_bytes == 9_876_543_210


def test_what_only_linux_has_stays_none() -> None:
    sample = MacMemory(mac_mini()).read(501).sample

    assert sample.pressure_some_percent is None
    assert sample.limit_bytes is None
    assert sample.oom_kills is None


def test_swap_rates_are_pages_swapped_times_the_page() -> None:
    kernel = mac_mini()
    times = iter([0.0, 2.0])
    sensors = Sensors(MacMemory(kernel), lambda: next(times))
    sensors.read()
    kernel.vm = vm_statistics(MAC_MINI_VM_STAT, Swapins=10, Swapouts=400)

    sample = sensors.read()

    assert sample.swap_in_bytes_per_second == 10 * PAGE / 2
    assert sample.swap_out_bytes_per_second == 400 * PAGE / 2


def test_a_mac_that_answers_nothing_is_none_everywhere() -> None:
    reading = MacMemory(PlayedKernel()).read(501)

    assert reading.sample.model_dump(exclude_none=True) == {}
    assert reading.swapped_in_bytes is None
    assert reading.swapped_out_bytes is None


def test_without_the_page_size_page_counts_are_unknown() -> None:
    kernel = PlayedKernel(vm=vm_statistics(MAC_MINI_VM_STAT))

    assert MacMemory(kernel).read().sample.model_dump(exclude_none=True) == {}


def test_another_process_or_none_has_no_footprint() -> None:
    memory = MacMemory(mac_mini())

    assert memory.read(502).sample.footprint_bytes is None
    assert memory.read().sample.footprint_bytes is None


def test_a_process_and_its_peak_are_one_call() -> None:
    memory = MacMemory(mac_mini())

    found = ProcessReading(footprint_bytes=9_876_543_210, peak_bytes=12_000_000_000)
    assert memory.process(501) == found
    assert memory.process(502) == ProcessReading()
    older = MacMemory(PlayedKernel(usage={501: rusage(7, 9)[:160]}))
    assert older.process(501) == ProcessReading(footprint_bytes=7)


@pytest.mark.parametrize(
    ("level", "word"), [(1, "normal"), (2, "warning"), (4, "critical"), (0, None), (3, None)]
)
def test_pressure_levels(level: int, word: str | None) -> None:
    assert parse_pressure_level(struct.pack("<I", level)) == word


def test_answers_cut_short_are_none() -> None:
    assert parse_vm_statistics(vm_statistics(MAC_MINI_VM_STAT)[:-8]) is None
    assert parse_swap_usage(swap_usage(1, 1)[:16]) == (None, None)
    assert parse_footprint(rusage(5)[:72]) is None
    assert parse_int(b"\1\0") is None
    assert parse_text(b"") is None


def test_a_newer_kernel_that_appends_fields_still_decodes() -> None:
    longer = vm_statistics(MAC_MINI_VM_STAT) + bytes(16)

    assert parse_vm_statistics(longer) == parse_vm_statistics(vm_statistics(MAC_MINI_VM_STAT))


def test_names_and_wide_numbers() -> None:
    assert parse_text(b"Apple M2 Max\0") == "Apple M2 Max"
    assert parse_int(struct.pack("<Q", 8 * 2**30)) == 8 * 2**30
    assert parse_int(struct.pack("<i", -1)) == -1
