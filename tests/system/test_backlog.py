"""A long history opens quickly: what must be exact is, and the curve keeps its shape."""

from __future__ import annotations

import math
import os
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.core import series
from cockpit.core.run_state import RunState, apply
from cockpit.core.samples import MemorySample
from cockpit.system import backlog, history, process, run_dir
from cockpit.system.observe import RunWatcher, current_state
from cockpit.system.run_dir import RunDir
from tests.system.test_observe import PLAN, T0, living, started, supervisor, updated, write

UPDATES = 30_000
SPIKE_AT = 12_345


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    return run_dir.create(PLAN)


def loss_at(update: int) -> float:
    return 50.0 if update == SPIKE_AT else 3 / (1 + update / 1000) + 0.01 * math.sin(update)


def trainer_events(updates: int = UPDATES) -> list[ev.TrainerEvent]:
    """A run that validates, saves, answers and complains now and then, and is still alive."""
    events: list[ev.TrainerEvent] = [started(T0, who=living())]
    for n in range(1, updates + 1):
        t = T0 + n
        events.append(updated(t, n, loss_at(n)))
        if n % 500 == 0:
            loss = abs(n - 20_000) / 1e4 + 1
            events.append(ev.Validated(t=t, update=n, loss=loss, seconds=1, tokens=9))
            events.append(ev.Checkpointed(t=t, update=n, path="p", seconds=1, size_bytes=9))
        if n % 7_000 == 0:
            events.append(ev.Note(t=t, message=f'at {n}: "type":"update","update":1,'))
            events.append(ev.Acknowledged(t=t, id=str(n), action="validate", accepted=True))
    return events


def memory(t: float, footprint: int) -> ev.MemorySampled:
    sample = MemorySample(footprint_bytes=footprint, ram_total_bytes=1 << 34, swap_used_bytes=0)
    return ev.MemorySampled(t=t, sample=sample)


def supervisor_events(samples: int) -> list[ev.SupervisorEvent]:
    events: list[ev.SupervisorEvent] = [supervisor(T0 - 1, living())]
    events += [memory(T0 + n, n) for n in range(samples)]
    events.insert(samples // 2, ev.Note(t=T0 + samples // 2, message="in the middle"))
    return events


def replayed(*events: ev.Event) -> RunState:
    state = RunState()
    for event in sorted(events, key=lambda event: event.t):
        apply(state, event)
    return state


EXACT = (
    "status", "phase", "attempt", "started_at", "last_event_at", "supervisor", "trainer", "update",
    "updates", "last", "validations", "best_validation", "checkpoints", "peak_bytes", "memory",
    "notes", "acknowledged", "end", "diagnosis", "tokens_per_second", "eta_seconds",
)  # fmt: skip


def assert_exact(state: RunState, wanted: RunState) -> None:
    for name in EXACT:
        assert getattr(state, name) == getattr(wanted, name), name
    tail = series.EXACT_POINTS
    assert state.losses[-tail:] == wanted.losses[-tail:]
    assert [u for u, _ in state.losses] == [u for u, _ in state.learning_rates]
    assert len(state.losses) <= series.MOST_POINTS


def watched_to_the_end(run: RunDir) -> RunWatcher:
    watcher = RunWatcher(run)
    watcher.poll()
    while not watcher.whole_curve:
        watcher.poll()
    return watcher


def test_what_must_be_exact_is_that_of_a_full_replay(run: RunDir) -> None:
    trainer, watched = trainer_events(), supervisor_events(20_000)
    write(run.attempt(1).trainer_events, *trainer)
    write(run.supervisor_events, *watched)
    for path in (run.attempt(1).trainer_events, run.supervisor_events):
        assert path.stat().st_size > backlog.BACKLOG_BYTES - (2 << 20), "else nothing is thinned"
    wanted = replayed(*watched, *trainer)
    assert_exact(current_state(run), wanted)
    assert_exact(watched_to_the_end(run).state, wanted)


def test_the_curve_is_sampled_at_once_and_whole_a_little_later(run: RunDir) -> None:
    write(run.attempt(1).trainer_events, *trainer_events())
    watcher = RunWatcher(run)
    while not watcher.caught_up:
        watcher.poll()
    quick = list(watcher.state.losses)
    assert not watcher.whole_curve
    assert all(loss == loss_at(update) for update, loss in quick)
    gaps = [after - before for (before, _), (after, _) in pairwise(quick)]
    assert max(gaps) < UPDATES / 200, "evenly spread"
    while not watcher.whole_curve:
        watcher.poll()
    whole = dict(watcher.state.losses)
    assert whole[SPIKE_AT] == 50.0, "a spike of one update is seen"
    losses = [loss_at(n) for n in range(1, UPDATES + 1)]
    assert min(whole.values()) == min(losses)


def test_a_run_that_goes_on_while_its_curve_is_looked_at(run: RunDir) -> None:
    path = run.attempt(1).trainer_events
    events = trainer_events()
    write(path, *events)
    watcher = RunWatcher(run)
    number = UPDATES
    while not watcher.whole_curve:
        number += 1
        events.append(updated(T0 + number, number, 2.0))
        write(path, events[-1])
        state = watcher.poll()
        assert not watcher.caught_up or state.update == number
    assert_exact(watcher.state, replayed(*events))


def test_an_attempt_that_went_back_takes_the_lost_part_with_it(run: RunDir) -> None:
    lost = trainer_events()
    write(run.attempt(1).trainer_events, *lost)
    second = run_dir.add_attempt(run, PLAN)
    back = UPDATES // 3
    later = T0 + UPDATES + 10
    again: list[ev.Event] = [started(later, 2, back, who=living())]
    again += [updated(later + n - back, n, 7.0) for n in range(back + 1, UPDATES + 1)]
    write(second.trainer_events, *again)
    wanted = replayed(*lost, *again)
    for state in (current_state(run), watched_to_the_end(run).state):
        assert_exact(state, wanted)
        assert all((loss == 7.0) == (update > back) for update, loss in state.losses)


def test_damage_in_the_middle_costs_what_it_damaged(run: RunDir) -> None:
    path = run.attempt(1).trainer_events
    events = trainer_events()
    write(path, *events)
    with path.open("r+b") as file:
        for place, junk in ((100_000, os.urandom(5_000)), (2_000_000, b"\x00" * 300_000)):
            file.seek(place)
            file.write(junk)
    wanted = replayed(*events)
    for state in (current_state(run), watched_to_the_end(run).state):
        assert (state.status, state.update) == ("running", UPDATES)
        assert state.acknowledged == wanted.acknowledged
        kept = {validation.update for validation in state.validations}
        assert kept < {validation.update for validation in wanted.validations}
        assert state.best_validation == wanted.best_validation


def test_losses_that_are_no_numbers_do_not_hide_the_others(run: RunDir) -> None:
    events = [started(T0, who=living())]
    losses = {n: math.nan if n == 5_000 else math.inf if n == 6_000 else 1.0 for n in range(20_000)}
    write(run.attempt(1).trainer_events, *events, *(updated(T0 + n, n, losses[n]) for n in losses))
    whole = dict(watched_to_the_end(run).state.losses)
    assert math.isnan(whole[5_000]) and whole[6_000] == math.inf


def test_lines_written_in_another_way_are_read_all_the_same(run: RunDir) -> None:
    lines = [event.line().replace(b":", b": ").replace(b",", b", ") for event in trainer_events()]
    run.attempt(1).trainer_events.write_bytes(b"".join(lines))
    state = current_state(run)
    assert (state.status, state.update) == ("running", UPDATES)
    assert state.best_validation is not None and state.best_validation.update == 20_000


def test_memory_stays_the_same_however_long_the_run(run: RunDir) -> None:
    """Ten times the events: no more memory to open it, and none to follow it."""
    path = run.attempt(1).trainer_events
    block = b"".join(event.line() for event in trainer_events(6_000)[1:])
    peaks = []
    path.write_bytes(started(T0, who=living()).line())
    for blocks in (5, 45):
        with path.open("ab") as file:
            file.writelines([block] * blocks)
        tracemalloc.start()
        watched_to_the_end(run)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert path.stat().st_size > 60 << 20
    assert peaks[1] < 1.5 * peaks[0]


def test_trainers_are_found_among_many_samples(run: RunDir) -> None:
    who = process.identity(os.getpid())
    assert who is not None
    events = supervisor_events(5_000)
    events.append(ev.TrainerStarted(t=T0 + 6_000, attempt=1, pid=who[0], pid_created=who[1]))
    events += [memory(T0 + 6_000 + n, n) for n in range(5_000)]
    events.append(ev.TrainerExited(t=T0 + 12_000, attempt=1, exit_code=0))
    write(run.supervisor_events, *events)
    (found,) = history.trainers(run).values()
    assert (found.trainer, found.exited) == (who, True)
