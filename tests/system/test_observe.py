"""A RunState and a summary from files as they are found: growing, huge, damaged, abandoned."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import psutil
import pytest

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RECENT_SAMPLES
from cockpit.core.samples import MemorySample
from cockpit.system import jsonl, observe, plan_file, process, run_dir, run_lock
from cockpit.system.observe import RunWatcher, current_state
from cockpit.system.run_dir import RunDir

PLAN = RunPlan(model="nano", data="/data", iters=40, grad_accumulation_steps=2)
T0 = 1_700_000_000.0
DEAD = (2**22 + 7, T0)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    # Long ago, so that it is not taken for one that is only just starting.
    run = run_dir.create(PLAN, {"peak_bytes": 4321})
    os.utime(run.attempt(1).path, (T0, T0))
    return run


def living() -> process.Identity:
    who = process.identity(os.getpid())
    assert who is not None
    return who


def started(
    t: float, attempt: int = 1, update: int = 0, who: process.Identity = DEAD
) -> ev.Started:
    return ev.Started(
        t=t,
        attempt=attempt,
        pid=who[0],
        pid_created=who[1],
        update=update,
        updates=20,
        device="cpu",
    )


def updated(t: float, update: int, loss: float = 1.0) -> ev.Updated:
    return ev.Updated(
        t=t,
        update=update,
        epoch=0.1,
        loss=loss,
        learning_rate=1e-5,
        tokens=10,
        trained_tokens=10 * update,
        seconds=0.1,
        tokens_per_second=100,
        active_bytes=10,
        peak_bytes=1000 + update,
        cache_bytes=0,
    )


def supervisor(t: float, who: process.Identity = DEAD) -> ev.SupervisorStarted:
    return ev.SupervisorStarted(t=t, pid=who[0], pid_created=who[1])


def memory(t: float, footprint: int = 5) -> ev.MemorySampled:
    return ev.MemorySampled(t=t, sample=MemorySample(footprint_bytes=footprint))


def write(path: Path, *events: ev.Event) -> None:
    with path.open("ab") as file:
        file.writelines(event.line() for event in events)


def finish(run: RunDir, updates: int = 20) -> None:
    write(run.supervisor_events, supervisor(T0), memory(T0 + 1))
    write(
        run.attempt(1).trainer_events,
        started(T0 + 1),
        *(updated(T0 + 1 + n, n, 3 / n) for n in range(1, updates + 1)),
        ev.Ended(t=T0 + 2 + updates, status="completed", update=updates, peak_bytes=5000),
    )


def read_all(run: RunDir, limit_bytes: int) -> RunWatcher:
    watcher = RunWatcher(run)
    watcher.poll(limit_bytes)
    while not watcher.caught_up:
        watcher.poll(limit_bytes)
    return watcher


def test_a_watcher_follows_a_growing_run(run: RunDir) -> None:
    watcher = RunWatcher(run)
    trainer = run.attempt(1).trainer_events
    write(run.supervisor_events, supervisor(T0, living()))
    assert watcher.poll().status == "starting"
    write(trainer, started(T0 + 1, who=living()), updated(T0 + 2, 1))
    assert (watcher.poll().status, watcher.state.update) == ("running", 1)
    with trainer.open("ab") as file:
        file.write(updated(T0 + 3, 2).line()[:40])
    assert watcher.poll().update == 1, "half a line is not read"
    with trainer.open("ab") as file:
        file.write(updated(T0 + 3, 2).line()[40:])
    assert watcher.poll().losses == [(1, 1.0), (2, 1.0)]


@pytest.mark.parametrize("limit_bytes", [4096, 1 << 20])
def test_attempts_are_applied_in_time_order_however_they_are_read(
    run: RunDir, limit_bytes: int
) -> None:
    """Attempt 1 lost updates 151 to 300; attempt 2 goes on from 150. One file is much longer."""
    write(run.supervisor_events, supervisor(T0))
    write(
        run.attempt(1).trainer_events,
        started(T0 + 1),
        *(updated(T0 + 1 + n, n, 1.0) for n in range(1, 301)),
    )
    write(run.supervisor_events, ev.TrainerExited(t=T0 + 400, attempt=1, signal="SIGKILL"))
    second = run_dir.add_attempt(run, PLAN)
    write(
        second.trainer_events,
        started(T0 + 500, attempt=2, update=150),
        updated(T0 + 501, 151, 2.0),
        ev.Ended(t=T0 + 502, status="completed", update=151),
    )
    state = read_all(run, limit_bytes).state
    assert (state.status, state.attempt, state.diagnosis) == ("completed", 2, None)
    assert [update for update, _ in state.losses] == list(range(1, 152))
    assert state.losses[-1] == (151, 2.0)


def test_a_poll_reads_a_bounded_amount(run: RunDir) -> None:
    finish(run, updates=5000)
    watcher = RunWatcher(run)
    polls = 1
    watcher.poll(limit_bytes=64 * 1024)
    assert not watcher.caught_up and 0 < watcher.state.update < 1000
    while not watcher.caught_up:
        watcher.poll(limit_bytes=64 * 1024)
        polls += 1
    size = run.attempt(1).trainer_events.stat().st_size
    assert size / (128 * 1024) < polls < size / (16 * 1024)
    assert watcher.state.status == "completed"


def test_of_many_samples_the_newest_are_kept(run: RunDir) -> None:
    finish(run)
    write(run.supervisor_events, *(memory(T0 + n, n) for n in range(2, 5000)))
    footprints = [sample.footprint_bytes for _, sample in current_state(run).memory]
    assert footprints == list(range(5000 - RECENT_SAMPLES, 5000))


def test_a_run_whose_processes_are_gone_is_failed_with_what_its_log_says(run: RunDir) -> None:
    boot = psutil.boot_time()
    write(run.supervisor_events, supervisor(boot + 1))
    write(run.attempt(1).trainer_events, started(boot + 2), updated(boot + 3, 1))
    run.attempt(1).log.write_text("RuntimeError: [malloc] Unable to allocate 8 bytes.\n")
    state = current_state(run)
    assert (state.status, state.ended_at) == ("failed", boot + 3)
    assert state.diagnosis is not None and state.diagnosis.kind == "allocation"
    assert observe.summary(run).document()["diagnosis"]["kind"] == "allocation"


def test_a_machine_that_restarted_is_named(run: RunDir) -> None:
    write(run.supervisor_events, supervisor(T0))
    write(run.attempt(1).trainer_events, started(T0 + 2), updated(T0 + 3, 1))
    state = current_state(run)
    assert state.diagnosis is not None and state.diagnosis.kind == "restart"


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux's moments name their boot")
def test_a_restart_is_known_by_the_boot_whatever_the_clock_says(run: RunDir) -> None:
    pid, started_at = living()
    earlier = (pid, started_at + 2**27)
    now = time.time()
    write(run.supervisor_events, supervisor(now, earlier))
    write(run.attempt(1).trainer_events, started(now, who=earlier), updated(now, 1))
    state = current_state(run)
    assert state.status == "failed"
    assert state.diagnosis is not None and state.diagnosis.kind == "restart"


def test_an_attempt_is_starting_from_the_moment_it_is_launched(run: RunDir) -> None:
    """Before anybody has written a word about it, and whoever was attached all the while."""
    write(run.attempt(1).trainer_events, started(T0), ev.Ended(t=T0, status="stopped", update=0))
    watcher = RunWatcher(run)
    assert watcher.poll().status == "stopped"
    os.utime(run_dir.add_attempt(run, PLAN).path, (T0, T0))
    lock = run_lock.acquire(run, run_lock.LAUNCH_LOCK_NAME)
    assert lock is not None
    assert (watcher.poll().status, watcher.state.attempt) == ("starting", 2)
    assert observe.summary(run).status == "starting"
    os.close(lock)
    assert watcher.poll().status == "failed", "its launcher died, and nothing else lives"
    write(run.attempt(2).trainer_events, started(T0 + 9, 2, who=living()), updated(T0 + 10, 1))
    assert watcher.poll().status == "running", "it lived after all"


def test_a_living_trainer_without_a_supervisor_is_running(run: RunDir) -> None:
    write(run.supervisor_events, supervisor(T0))
    write(run.attempt(1).trainer_events, started(T0 + 2, who=living()), updated(T0 + 3, 1))
    assert current_state(run).status == "running"


def test_a_pid_of_another_program_is_not_the_trainer(run: RunDir) -> None:
    reused = (os.getpid(), living()[1] - 3600)
    write(run.supervisor_events, supervisor(T0))
    write(run.attempt(1).trainer_events, started(T0 + 2, who=reused), updated(T0 + 3, 1))
    assert current_state(run).status == "failed"


def test_the_summary_has_what_the_contract_names(run: RunDir) -> None:
    finish(run)
    run.adapters.mkdir()
    (run.adapters / "adapters.safetensors").touch()
    assert observe.summary(run).document() == {
        "run": run.name,
        "status": "completed",
        "model": "nano",
        "iterations": 40,
        "final_train_loss": 3 / 20,
        "predicted_peak_bytes": 4321,
        "measured_peak_bytes": 5000,
        "adapter_path": str(run.adapters),
    }


def test_what_is_unknown_is_none(run: RunDir) -> None:
    run.attempt(1).forecast_path.unlink()
    write(run.supervisor_events, supervisor(T0, living()))
    document = observe.summary(run).document()
    assert document["status"] == "starting" and document["iterations"] == 0
    unknown = ("final_train_loss", "predicted_peak_bytes", "measured_peak_bytes", "adapter_path")
    assert [document[name] for name in unknown] == [None] * 4


def test_a_diverged_loss_is_still_valid_json(run: RunDir) -> None:
    write(run.attempt(1).trainer_events, started(T0), updated(T0 + 1, 1, float("nan")))
    assert json.dumps(observe.summary(run).document(), allow_nan=False)


def test_a_failure_the_trainer_explained_is_told_in_its_words(run: RunDir) -> None:
    end = ev.Ended(
        t=T0 + 2, status="failed", update=0, kind="data", title="No data", message="m", remedy="r"
    )
    write(run.attempt(1).trainer_events, started(T0), end)
    assert observe.summary(run).document()["diagnosis"] == {
        "kind": "data",
        "title": "No data",
        "evidence": ["m"],
        "remedy": "r",
    }


def test_the_ends_of_a_long_run_sum_up_like_the_whole(run: RunDir) -> None:
    write(run.supervisor_events, supervisor(T0, living()))
    write(run.supervisor_events, *(memory(T0 + n, n) for n in range(2, 3000)))
    trainer = run.attempt(1).trainer_events
    write(trainer, started(T0 + 1, who=living()))
    write(trainer, *(updated(T0 + 1 + n, n, 3 / n) for n in range(1, 5001)))
    whole, summed = current_state(run), observe.summary(run)
    assert summed.status == whole.status == "running"
    assert summed.iterations == whole.update * 2 == 10_000
    assert summed.final_train_loss == whole.losses[-1][1]
    assert summed.measured_peak_bytes == whole.peak_bytes


def test_an_update_is_found_behind_long_texts(run: RunDir) -> None:
    trainer = run.attempt(1).trainer_events
    write(trainer, started(T0, who=living()))
    write(trainer, *(updated(T0 + n, n) for n in range(1, 100)))
    write(trainer, ev.Sampled(t=T0 + 200, update=99, prompt="p", text="long " * 40_000))
    assert observe.summary(run).iterations == 198


def test_a_summary_follows_the_files(run: RunDir) -> None:
    write(run.supervisor_events, supervisor(T0, living()))
    trainer = run.attempt(1).trainer_events
    write(trainer, started(T0, who=living()), updated(T0 + 1, 1))
    assert observe.summary(run).iterations == 2
    write(trainer, updated(T0 + 2, 2))
    assert observe.summary(run).iterations == 4


def test_the_list_is_newest_first_and_damage_does_not_hide_the_rest(
    run: RunDir, tmp_path: Path
) -> None:
    finish(run)
    runs = tmp_path / "runs"
    no_plan = runs / "20990101-0000-no-plan"
    (no_plan / "attempts" / "001").mkdir(parents=True)
    os.utime(no_plan / "attempts" / "001", (1, 1))
    garbage = runs / "20990102-0000-garbage"
    (garbage / "attempts" / "001").mkdir(parents=True)
    (garbage / "plan.toml").write_bytes(b"\xff\x00 not = [toml")
    (garbage / "attempts" / "001" / "plan.toml").write_text("model = 3")
    (garbage / "attempts" / "001" / "trainer.jsonl").write_bytes(os.urandom(50_000))
    (garbage / "supervisor.jsonl").write_bytes(b"\x00" * 4096 + b'\n{"type":"memory"}\n[1]\n')
    (garbage / "supervisor.log").mkdir()
    os.utime(garbage / "attempts" / "001", (1, 1))
    folders = runs / "20990103-0000-folders"
    (folders / "attempts" / "001" / "trainer.jsonl").mkdir(parents=True)
    (folders / "supervisor.jsonl").mkdir()
    os.utime(folders / "attempts" / "001", (1, 1))

    listed = observe.list_summaries()
    assert [s.run for s in listed] == [folders.name, garbage.name, no_plan.name, run.name]
    assert [s.status for s in listed] == ["failed", "failed", "failed", "completed"]
    for damaged in listed[:3]:
        assert damaged.problem and damaged.model is None and damaged.iterations is None
        assert damaged.problem in damaged.document()["diagnosis"]["evidence"]
    for name in (folders, garbage, no_plan):
        assert current_state(RunDir(name)).status == "failed"


def test_a_lost_plan_of_a_finished_run_is_a_problem_not_a_failure(run: RunDir) -> None:
    finish(run)
    run.plan_path.unlink()
    summed = observe.summary(run)
    assert summed.status == "completed" and summed.model == "nano"
    assert summed.problem and str(run.plan_path) in summed.problem


def test_a_new_attempt_plan_counts_for_iterations(run: RunDir) -> None:
    finish(run)
    plan_file.write(
        PLAN.with_changes(grad_accumulation_steps=4, iters=80), run.attempt(1).plan_path
    )
    assert observe.summary(run).iterations == 80


def test_the_log_tail_is_the_newest_attempts_without_control_characters(run: RunDir) -> None:
    run.attempt(1).log.write_text("old\n")
    second = run_dir.add_attempt(run, PLAN)
    second.log.write_bytes(
        b"\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07\n\n10%\r90%\rdone\r\n"
        b"bell\x07 nul\x00 \xff \xe2\x80\xaereversed\ttab\n"
    )
    watcher = RunWatcher(run)
    assert watcher.log_tail(2) == ["done", "bell nul \ufffd reversed tab"]
    assert watcher.log_tail() == ["red link", "done", "bell nul \ufffd reversed tab"]


def test_the_tail_of_a_huge_log_starts_with_a_whole_line(run: RunDir) -> None:
    with run.attempt(1).log.open("w") as log:
        log.writelines(f"line {number}\n" for number in range(100_000))
    tail = RunWatcher(run).log_tail(10_000)
    assert tail[-1] == "line 99999"
    assert len(tail) < 10_000 and len(tail[0]) == len("line 99999")


def test_no_log_has_no_tail(run: RunDir) -> None:
    assert RunWatcher(run).log_tail() == []


def test_a_writer_that_appends_while_it_is_read(run: RunDir) -> None:
    watcher = RunWatcher(run)
    write(run.supervisor_events, supervisor(T0, living()))
    jsonl.append(run.attempt(1).trainer_events, started(T0, who=living()).line())
    for number in range(1, 200):
        jsonl.append(run.attempt(1).trainer_events, updated(T0 + number, number).line())
        assert watcher.poll(4096).update == number
