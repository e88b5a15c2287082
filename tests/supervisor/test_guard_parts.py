"""What the guard goes by: the trainer's peaks, its progress, its forecast and the thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cockpit.core import events as ev
from cockpit.core.guard_settings import GuardSettings
from cockpit.core.samples import MemorySample
from cockpit.supervisor import limits
from cockpit.supervisor.peaks import Peaks
from cockpit.supervisor.progress import Progress
from cockpit.system import asked, control, jsonl, run_dir
from cockpit.system.sensors.reading import ProcessReading
from tests.supervisor.conftest import PLAN

GIB = 2**30


def peaks_of(*readings: tuple[int, int, bool]) -> int:
    """The peak after readings of (footprint, the life's peak, training)."""
    peaks = Peaks()
    for footprint, peak, training in readings:
        peaks.add(ProcessReading(footprint, peak, footprint, peak), training=training)
    assert peaks.address_space_bytes == peaks.footprint_bytes
    return peaks.footprint_bytes


def test_what_loading_took_is_not_the_trainings_peak() -> None:
    assert peaks_of((5, 9, False)) == 5
    assert peaks_of((5, 9, False), (4, 9, True), (6, 9, True), (3, 9, True)) == 6
    assert peaks_of((5, 9, False), (4, 9, True), (6, 11, True), (3, 11, True)) == 11


def test_a_system_that_keeps_no_peaks() -> None:
    peaks = Peaks()
    for footprint in (4, 7, 5):
        peaks.add(ProcessReading(footprint), training=True)
    assert peaks.footprint_bytes == 7


def updated(update: int, tokens: int = 100, peak_bytes: int = 1000, seconds: float = 1.0) -> Any:
    return ev.Updated(
        update=update,
        epoch=0.1,
        loss=1.0,
        learning_rate=1e-5,
        tokens=tokens,
        trained_tokens=tokens * update,
        seconds=seconds,
        tokens_per_second=tokens / seconds,
        active_bytes=500,
        peak_bytes=peak_bytes,
        cache_bytes=0,
    )


def test_progress_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "trainer.jsonl"
    progress = Progress(path, examples=2)
    progress.follow()
    assert (progress.update, progress.training, progress.update_seconds) == (0, False, None)

    def write(*events: ev.TrainerEvent) -> None:
        for event in events:
            jsonl.append(path, event.line())
        progress.follow()

    loaded = {"parameters": 1, "trainable_parameters": 1, "layers": 1}
    write(
        ev.ModelLoaded(**loaded, train_examples=9, valid_examples=1, longest_tokens=120),
        ev.PhaseChanged(phase="compiling"),
    )
    assert progress.training
    write(updated(1), updated(2, seconds=3.0), updated(3, seconds=2.0))
    assert (progress.update, progress.update_seconds, progress.longer) == (3, 2.0, 1)
    write(updated(4, peak_bytes=1001))
    assert progress.longer == 1
    write(updated(5, peak_bytes=1200))
    assert progress.longer == 5
    assert not progress.longest_seen
    write(updated(6, tokens=238))
    assert (progress.longer, progress.longest_seen) == (6, True)
    write(ev.Paused(update=6))
    assert progress.paused
    write(ev.Resumed(update=6), ev.PhaseChanged(phase="validating"))
    assert not progress.paused and not progress.training


def test_examples_that_are_cut_are_no_longer_than_that(tmp_path: Path) -> None:
    path = tmp_path / "trainer.jsonl"
    loaded = {"parameters": 1, "trainable_parameters": 1, "layers": 1, "longest_tokens": 5000}
    jsonl.append(path, ev.ModelLoaded(**loaded, train_examples=9, valid_examples=1).line())
    jsonl.append(path, updated(1, tokens=250).line())
    for cut_at, seen in ((129, True), (257, False), (None, False)):
        progress = Progress(path, examples=2, most_tokens=cut_at)
        progress.follow()
        assert progress.longest_seen is seen


def test_a_supervisor_that_comes_late_reads_the_end_alone(tmp_path: Path) -> None:
    path = tmp_path / "trainer.jsonl"
    path.write_bytes(b"".join(updated(n).line() for n in range(1, 5000)))
    progress = Progress(path)
    progress.follow()
    assert progress.update == 4999
    assert progress.seen < 400


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('{"low_bytes": 90, "peak_bytes": 100, "budget_bytes": 200, "parts": {"weights": 60}}', 30),
        ('{"low_bytes": "90", "parts": []}', None),
        ("[]", None),
        ("not json", None),
    ],
)
def test_a_forecast_says_what_an_update_takes(text: str, known: int | None, home: Path) -> None:
    attempt = run_dir.create(PLAN).attempt(1)
    attempt.forecast_path.write_text(text)
    assert limits.Forecast.of(attempt).rise_bytes == known


def test_thresholds_are_those_of_the_profile_saved_for_this_machine(home: Path) -> None:
    assert limits.guard_settings() == GuardSettings()
    folder = home / "profiles"
    folder.mkdir()
    path = folder / "this-machine.toml"
    path.write_text(
        'title = "Mine"\nbackend = "cpu"\nram = "8 GiB"\nsystem_reserved = "1 GiB"\n'
        "[guard]\nstop_share = 0.99\n"
    )
    assert limits.guard_settings().stop_share == 0.99
    path.write_text("stop_share = ")
    assert limits.guard_settings() == GuardSettings()


def test_a_limit_is_known_only_where_swap_is_of_a_fixed_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample = MemorySample(
        ram_total_bytes=16 * GIB,
        ram_available_bytes=4 * GIB,
        swap_total_bytes=2 * GIB,
        swap_used_bytes=GIB,
    )
    assert limits.used_bytes(sample) == 13 * GIB
    monkeypatch.setattr("sys.platform", "linux")
    (bound,) = limits.bounds(sample, 3 * GIB, Peaks(), None)
    assert (bound.name, bound.limit_bytes) == ("RAM and swap", 18 * GIB)
    monkeypatch.setattr("sys.platform", "darwin")
    assert limits.bounds(sample, 3 * GIB, Peaks(), None) == []


def test_the_guards_stop_does_not_make_a_persons_first_one_the_second(home: Path) -> None:
    run = run_dir.create(PLAN)
    control.send(run, "stop", sender=asked.GUARD)
    assert asked.StopFollower(run, asked.Beginning()).times() == []
    control.send(run, "stop", sender="cli")
    assert len(asked.StopFollower(run, asked.Beginning()).times()) == 1
