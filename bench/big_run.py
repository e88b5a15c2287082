"""Opening and following a run of a million events.

Writes a real run directory through the classes that trainers and supervisors write with, then
opens it in fresh processes: with its files dropped from the page cache ("cold") and again with
them in it ("warm"). A reader keeps nothing on the disk, so there is no third way.

    python bench/big_run.py                    # a million events, 430 MB, in a temporary folder
    python bench/big_run.py --events 100000
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cockpit.core import events as ev
from cockpit.core.samples import MemorySample
from cockpit.supervisor.journal import Journal
from cockpit.system import observe, plan_file, process
from cockpit.system.run_dir import RunDir
from cockpit.trainer.emit import Emitter

GOAL_SECONDS = 1.0
SAMPLE_SHARE = 0.1
START = 1_790_000_000.0


def write_run(folder: Path, events: int) -> RunDir:
    """A run of about ``events`` events that is still going on: its trainer is this process."""
    run = RunDir(folder)
    run.attempt(1).path.mkdir(parents=True)
    pid, created = process.identity(os.getpid()) or (os.getpid(), 0.0)
    samples = int(events * SAMPLE_SHARE)
    updates = int((events - samples) / 1.022)
    _write_trainer(run, updates, pid, created)
    _write_supervisor(run, samples, updates, pid, created)
    return run


def _write_trainer(run: RunDir, updates: int, pid: int, created: float) -> None:
    rng = random.Random(1)
    emit = Emitter(run.attempt(1).trainer_events)
    emit(
        ev.Started(
            t=START, attempt=1, pid=pid, pid_created=created, updates=updates * 2, device="cpu"
        )
    )
    for n in range(1, updates + 1):
        t = START + n
        emit(update_event(n, t, rng))
        if n % 400 == 0:
            emit(ev.PhaseChanged(t=t, phase="validating"))
            emit(ev.Validated(t=t, update=n, loss=2 + 1e4 / (n + 1e4), seconds=3, tokens=9_999))
            emit(ev.PhaseChanged(t=t, phase="training"))
        if n % 200 == 0:
            path = f"checkpoints/{n:07d}"
            emit(ev.PhaseChanged(t=t, phase="saving"))
            emit(ev.Checkpointed(t=t, update=n, path=path, seconds=0.2, size_bytes=7_000_000))
            emit(ev.PhaseChanged(t=t, phase="training"))
    emit.close()


def update_event(n: int, t: float, rng: random.Random) -> ev.Updated:
    loss = 2 * math.exp(-n / 2e5) + 0.2 * rng.random() + (5.0 if n % 123_457 == 0 else 0.0)
    return ev.Updated(
        t=t,
        update=n,
        epoch=n / 1000,
        loss=loss,
        learning_rate=1e-5 * (1 + math.cos(n / 1e6)),
        tokens=1234,
        trained_tokens=1234 * n,
        seconds=0.9 + 0.1 * rng.random(),
        tokens_per_second=1300 * rng.random(),
        grad_norm=rng.random(),
        active_bytes=1_234_567_890,
        peak_bytes=2_234_567_890,
        cache_bytes=123_456_789,
    )


def _write_supervisor(run: RunDir, samples: int, updates: int, pid: int, created: float) -> None:
    journal = Journal(run.supervisor_events)
    journal.write(ev.SupervisorStarted(t=START - 1, pid=pid, pid_created=created))
    journal.write(ev.TrainerStarted(t=START - 1, attempt=1, pid=pid, pid_created=created))
    for n in range(samples):
        sample = MemorySample(
            ram_total_bytes=1 << 36,
            ram_available_bytes=(1 << 35) + n * 4096,
            ram_used_bytes=(1 << 35) - n * 4096,
            swap_total_bytes=1 << 33,
            swap_used_bytes=n * 4096,
            pressure="normal",
            footprint_bytes=10_000_000_000 + n * 4096,
        )
        journal.write(ev.MemorySampled(t=START + n * updates / samples, sample=sample))


def measure(folder: Path) -> dict[str, float]:
    """Opens the run in this process and follows it; seconds, MB and milliseconds."""
    before_mb = _peak_mb()
    start, cpu = time.perf_counter(), time.process_time()
    watcher = observe.RunWatcher(RunDir(folder))
    state = watcher.poll()
    while not watcher.caught_up:
        state = watcher.poll()
    opened = time.perf_counter() - start
    found: dict[str, float] = {"open_s": opened, "updates": state.update}
    found["open_cpu_s"] = time.process_time() - cpu
    found["open_mb"] = _peak_mb() - before_mb
    start = time.perf_counter()
    while not watcher.whole_curve:
        watcher.poll()
    found["whole_curve_s"] = time.perf_counter() - start
    start = time.perf_counter()
    observe.summary(RunDir(folder))
    found["summary_s"] = time.perf_counter() - start
    return found | _follow(watcher, state.update, before_mb)


def _follow(watcher: observe.RunWatcher, update: int, before_mb: float) -> dict[str, float]:
    """One update a poll, five thousand times."""
    emit = Emitter(watcher.run.attempt(1).trainer_events)
    rng = random.Random(2)
    milliseconds: list[float] = []
    opened_mb = _peak_mb()
    for n in range(update + 1, update + 5001):
        emit(update_event(n, START + n, rng))
        start = time.perf_counter()
        state = watcher.poll()
        milliseconds.append((time.perf_counter() - start) * 1e3)
        assert state.update == n
    emit.close()
    return {
        "poll_ms": statistics.median(milliseconds),
        "slowest_poll_ms": max(milliseconds),
        "follow_growth_mb": _peak_mb() - opened_mb,
        "total_mb": _peak_mb() - before_mb,
        "points": len(watcher.state.losses),
    }


def _peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def drop_from_cache(folder: Path) -> bool:
    """Makes the next reader read the disk; False where the system offers no way (macOS)."""
    if not hasattr(os, "posix_fadvise"):
        return False
    os.sync()
    for path in folder.rglob("*.jsonl"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    return True


def in_a_fresh_process(folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--measure", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=Path("big_run.json"))
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return 0

    with tempfile.TemporaryDirectory(prefix="big-run-") as folder:
        start = time.perf_counter()
        run = write_run(Path(folder) / "run", arguments.events)
        size = sum(path.stat().st_size for path in run.path.rglob("*.jsonl"))
        plan = {"model": "nano", "data": "/data", "iters": arguments.events}
        plan_file.write(plan_file.validate(plan, "plan"), run.attempt(1).plan_path)
        print(f"{arguments.events:,} events, {size / 1e6:.0f} MB, written in "
              f"{time.perf_counter() - start:.0f} s")  # fmt: skip
        rows: list[tuple[str, dict[str, float]]] = []
        for _ in range(arguments.repeat):
            for kind in ("cold", "warm"):
                if kind == "cold" and not drop_from_cache(run.path):
                    continue
                rows.append((kind, in_a_fresh_process(run.path)))
    tell(rows)
    arguments.output.write_text(
        json.dumps({"events": arguments.events, "size_bytes": size, "opens": rows}, indent=1)
    )
    return 0 if all(row["open_s"] < GOAL_SECONDS for _, row in rows) else 1


def tell(rows: list[tuple[str, dict[str, float]]]) -> None:
    columns = ("open_s", "open_cpu_s", "open_mb", "whole_curve_s", "summary_s", "poll_ms",
               "slowest_poll_ms", "follow_growth_mb", "total_mb", "points")  # fmt: skip
    print(f"{'':<6}" + "".join(f"{name:>17}" for name in columns))
    for kind, row in rows:
        print(f"{kind:<6}" + "".join(f"{row[name]:>17.3f}" for name in columns))
    print(f"goal: open_s under {GOAL_SECONDS:.0f}, and memory that does not grow with the run")


if __name__ == "__main__":
    sys.exit(main())
