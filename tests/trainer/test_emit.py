"""Events reach the file in order, one whole line each, also after trouble."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.trainer import emit as emit_module
from cockpit.trainer.emit import Emitter


def update(number: int) -> ev.Updated:
    return ev.Updated(
        update=number, epoch=0.5, loss=1.0, learning_rate=1e-3, tokens=1, trained_tokens=number,
        seconds=1.0, tokens_per_second=1.0, active_bytes=1, peak_bytes=1, cache_bytes=0,
    )  # fmt: skip


def read(path: Path) -> list[ev.Event | None]:
    return [ev.parse_event(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trainer.jsonl"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Sets how many bytes the disk still takes; None is any number."""
    free: list[int | None] = [None]
    write = os.write

    def limited(descriptor: int, data: bytes) -> int:
        if free[0] is None:
            return write(descriptor, data)
        if free[0] == 0:
            raise OSError(28, "No space left on device")
        written = write(descriptor, data[: free[0]])
        free[0] -= written
        return written

    monkeypatch.setattr(emit_module.os, "write", limited)

    def set_free(value: int | None) -> None:
        free[0] = value

    return set_free


def test_a_full_disk_delays_events_and_loses_none(
    path: Path, disk: Callable[[int | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    emit = Emitter(path)
    emit(update(1))
    disk(40)
    for number in (2, 3, 4):
        emit(update(number))
    disk(None)
    emit(update(5))
    emit.close()
    *updates, note = read(path)
    assert [e.update for e in updates if isinstance(e, ev.Updated)] == [1, 2, 3, 4, 5]
    assert isinstance(note, ev.Note) and "No space left" in note.message
    assert capsys.readouterr().out.count("cannot be written") == 1


def test_a_disk_that_stays_full_costs_updates_but_not_the_rest(
    path: Path, disk: Callable[[int | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emit_module, "PENDING_BYTES", 1000)
    emit = Emitter(path)
    disk(0)
    for number in range(1, 100):
        emit(update(number))
    emit(ev.Checkpointed(update=99, path="p", seconds=1.0, size_bytes=1))
    disk(None)
    emit.close()
    events = read(path)
    assert None not in events
    assert len(events) < 20
    assert [type(e) for e in events[-2:]] == [ev.Checkpointed, ev.Note]
    note = events[-1]
    assert isinstance(note, ev.Note) and "updates were left out" in note.message


def test_a_line_cut_by_a_crash_does_not_swallow_the_next(path: Path) -> None:
    path.write_bytes(b'{"type": "update", "upd')
    emit = Emitter(path)
    emit(update(1))
    emit.close()
    assert [type(e) for e in read(path)] == [type(None), ev.Updated]


def test_a_rank_that_does_not_write_makes_no_file(path: Path) -> None:
    emit = Emitter(None)
    emit(update(1))
    emit.close()
    assert not path.exists()
