"""Swap rates, and the sensors on the machine the tests run on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator

import pytest

from cockpit.core.samples import MemorySample
from cockpit.system.sensors import Sensors, read_memory
from cockpit.system.sensors.reading import ProcessReading, Reading


class Played:
    """A source that plays back readings, and a clock that plays back seconds."""

    def __init__(self, readings: Iterable[Reading], times: Iterable[float]):
        self._readings: Iterator[Reading] = iter(readings)
        self._times: Iterator[float] = iter(times)

    def read(self, trainer_pid: int | None = None) -> Reading:
        return next(self._readings)

    def process(self, pid: int) -> ProcessReading:
        return ProcessReading()

    def clock(self) -> float:
        return next(self._times)


def swapped(into: int | None, out: int | None) -> Reading:
    return Reading(MemorySample(swap_used_bytes=7), into, out)


def samples(readings: list[Reading], times: list[float]) -> list[MemorySample]:
    played = Played(readings, times)
    sensors = Sensors(played, played.clock)
    return [sensors.read() for _ in readings]


def test_swap_rates_come_from_the_counters_of_two_readings() -> None:
    first, second = samples([swapped(1_000, 0), swapped(1_000, 6_000)], [10.0, 12.0])

    assert first.swap_in_bytes_per_second is None
    assert first.swap_out_bytes_per_second is None
    assert second.swap_in_bytes_per_second == 0.0
    assert second.swap_out_bytes_per_second == 3_000.0
    assert second.swap_used_bytes == 7


@pytest.mark.parametrize(
    ("before", "after", "times"),
    [
        (None, 5, [0.0, 1.0]),
        (5, None, [0.0, 1.0]),
        (9_000, 5, [0.0, 1.0]),
        (0, 5, [1.0, 1.0]),
    ],
    ids=["unknown before", "unknown now", "counter reset", "no time passed"],
)
def test_a_rate_that_cannot_be_known_is_none(
    before: int | None, after: int | None, times: list[float]
) -> None:
    _, second = samples([swapped(before, before), swapped(after, after)], times)

    assert second.swap_in_bytes_per_second is None
    assert second.swap_out_bytes_per_second is None


def test_this_machine_answers_with_its_own_memory() -> None:
    sample = read_memory(os.getpid())

    assert sample.ram_total_bytes is not None
    assert sample.ram_available_bytes is not None
    assert 0 < sample.ram_available_bytes <= sample.ram_total_bytes
    assert sample.ram_used_bytes == sample.ram_total_bytes - sample.ram_available_bytes
    # A Python with pytest in it: more than 5 MB, less than the machine has.
    assert sample.footprint_bytes is not None
    assert 5_000_000 < sample.footprint_bytes < sample.ram_total_bytes


def test_a_footprint_follows_the_memory_a_process_takes() -> None:
    code = (
        "import sys\n"
        "print('small', flush=True); sys.stdin.readline()\n"
        "held = bytearray(b'x') * 64_000_000\n"
        "print('large', flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin and child.stdout
        child.stdout.readline()
        small = read_memory(child.pid).footprint_bytes
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.readline()
        large = read_memory(child.pid).footprint_bytes
        child.stdin.write("\n")
        child.stdin.close()
        child.wait()

    assert small is not None and large is not None
    assert large - small > 60_000_000


def test_a_process_that_is_gone_has_no_footprint() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()

    assert read_memory(child.pid).footprint_bytes is None


def test_sensors_import_neither_mlx_nor_textual_nor_psutil() -> None:
    code = (
        "import sys; from cockpit.system.sensors import read_memory; read_memory();"
        "print(sorted({'mlx', 'textual', 'psutil', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
