"""Which memory readings reach the file, and what a full disk costs."""

from __future__ import annotations

from pathlib import Path

from cockpit.core import events as ev
from cockpit.core.samples import MemorySample
from cockpit.supervisor.journal import Journal
from cockpit.supervisor.sampling import QUIET_SECONDS, SampleJournal, has_moved
from cockpit.system import jsonl

GIB = 2**30


def reading(t: float, footprint: int | None = GIB, **others: object) -> ev.MemorySampled:
    fields = {"ram_total_bytes": 16 * GIB, "footprint_bytes": footprint, **others}
    return ev.MemorySampled(t=t, sample=MemorySample.model_validate(fields))


def written(path: Path, readings: list[ev.MemorySampled]) -> list[float]:
    samples = SampleJournal(Journal(path))
    for each in readings:
        samples.add(each)
    samples.flush()
    events = [ev.parse_event(line) for line in jsonl.Tail(path).read()]
    return [event.t for event in events if event is not None]


def test_a_quiet_hour_is_a_reading_every_ten_seconds(tmp_path: Path) -> None:
    times = written(tmp_path / "s.jsonl", [reading(t) for t in range(3601)])
    assert times == list(range(0, 3601, int(QUIET_SECONDS)))


def test_a_jump_is_written_with_the_reading_before_it(tmp_path: Path) -> None:
    readings = [reading(t, GIB if t < 7 else 3 * GIB) for t in range(9)]
    assert written(tmp_path / "s.jsonl", readings) == [0, 6, 7, 8]


def test_what_keeps_moving_is_written_every_second(tmp_path: Path) -> None:
    readings = [reading(t, (1 + t) * GIB) for t in range(8)]
    assert written(tmp_path / "s.jsonl", readings) == list(range(8))


def test_a_slow_climb_is_not_missed(tmp_path: Path) -> None:
    """Each second's step is too small to count; their sum is not."""
    readings = [reading(t, GIB + t * 10 * 2**20) for t in range(10)]
    assert written(tmp_path / "s.jsonl", readings) == [0, 6, 7, 9]


def test_the_last_reading_is_written(tmp_path: Path) -> None:
    assert written(tmp_path / "s.jsonl", [reading(t) for t in range(6)]) == [0, 5]


def test_a_clock_that_was_set_back_does_not_silence_it(tmp_path: Path) -> None:
    assert written(tmp_path / "s.jsonl", [reading(5000), reading(100)]) == [5000, 100]


def test_words_and_counters_count_however_small() -> None:
    calm = reading(0, pressure="normal", oom_kills=0).sample
    assert not has_moved(calm, calm)
    for change in ({"pressure": "warning"}, {"oom_kills": 1}, {"footprint_bytes": None}):
        assert has_moved(calm, calm.model_copy(update=change))


def test_records_wait_for_a_disk_and_samples_do_not(tmp_path: Path) -> None:
    path = tmp_path / "late" / "s.jsonl"
    journal = Journal(path)
    first = ev.Note(message="first")
    journal.write(first)
    journal.write(reading(1))
    path.parent.mkdir()
    journal.write(second := ev.Note(message="second"))
    journal.write(third := reading(2))
    assert [ev.parse_event(line) for line in jsonl.Tail(path).read()] == [first, second, third]
