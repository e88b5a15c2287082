"""What the Run screen costs a terminal: bytes, CPU, answers to keys, memory.

The screen is the real ``cockpit attach``, on a pseudo-terminal of 120 x 40 that this program
reads, as over SSH. Its run is a load: this program writes the events of a trainer and a
supervisor, through the classes those write with, at the pace that is asked for. Of the same
screen are measured

- the bytes it sends and the CPU it takes while a run makes two updates a second,
- the bytes while nothing is written,
- the time from a key to the last byte of its answer, on a run with a million events on disk,
- its memory there (RSS, and PSS where the system tells).

    python bench/terminal.py
    python bench/terminal.py --events 100000 --seconds 20
    python bench/terminal.py --peer "mlx-commander=/some/venv/bin/mlx_commander"
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import shlex
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import big_run
from pty_screen import Screen, shown

from cockpit.core import events as ev
from cockpit.core.samples import MemorySample
from cockpit.supervisor.journal import Journal
from cockpit.system import plan_file, run_lock
from cockpit.system.run_dir import RunDir
from cockpit.trainer.emit import Emitter

SSH = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22", "SSH_TTY": "/dev/pts/0"}
COCKPIT = [sys.executable, "-m", "cockpit"]
# Each pair changes the screen and changes it back.
KEYS = ("M", "M", "m", "m", "l", "l", "l", "l", "x", "x", "+", "0", "y", "y", "?", "\x1b")
STILL_SECONDS = 4.0
# A long run's curve is whole once following it takes less of a core than this.
FOLLOWING_CPU = 0.03


@contextlib.contextmanager
def supervised(home: Path, events: int) -> Iterator[RunDir]:
    """A run of so many events, alive: this process is its trainer and its supervisor."""
    run = big_run.write_run(home / "runs" / "load", events)
    plan = {"model": "nano", "data": "/data", "iters": 2 * events, "batch_size": 4}
    plan_file.write(plan_file.validate(plan, "plan"), run.attempt(1).plan_path)
    forecast = {"peak_bytes": 2_400_000_000, "low_bytes": 2_200_000_000,
                "high_bytes": 2_700_000_000, "budget_bytes": 5_730_000_000}  # fmt: skip
    run.attempt(1).forecast_path.write_text(json.dumps(forecast))
    held = run_lock.acquire(run)
    assert held is not None
    try:
        yield run
    finally:
        os.close(held)


class Load:
    """Writes what a run of ``pace`` updates a second writes, until it is left."""

    def __init__(self, run: RunDir, first: int, pace: float) -> None:
        self._emit = Emitter(run.attempt(1).trainer_events)
        self._journal = Journal(run.supervisor_events)
        self._next, self._pace = first, pace
        self._rng = random.Random(3)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(work, seconds), daemon=True)
            for work, seconds in ((self._update, 1 / pace), (self._sample, 1.0))
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._emit.close()

    def _repeat(self, work: Callable[[], None], seconds: float) -> None:
        while not self._over.wait(seconds):
            work()

    def _update(self) -> None:
        n, now, rng = self._next, time.time(), self._rng
        self._next += 1
        usual = big_run.update_event(n, now, rng)
        seconds = rng.gauss(1 / self._pace, 0.02 / self._pace)
        self._emit(
            usual.model_copy(
                update={
                    "seconds": seconds,
                    "tokens_per_second": 1234 / seconds,
                    "loss": 1.2 + 0.8 * math.exp(-n / 500) + rng.gauss(0, 0.1),
                }
            )
        )
        if n % 40 == 0:
            self._emit(ev.PhaseChanged(phase="saving"))
            self._emit(ev.Checkpointed(update=n, path=f"checkpoints/{n:07d}", seconds=0.2,
                                       size_bytes=7_000_000))  # fmt: skip
            self._emit(ev.PhaseChanged(phase="validating"))
            self._emit(ev.Validated(update=n, loss=1.4, seconds=0.4, tokens=9_999))
            self._emit(ev.PhaseChanged(phase="training"))

    def _sample(self) -> None:
        rng = self._rng
        used = (1 << 35) + int(rng.gauss(0, 3e7))
        sample = MemorySample(
            ram_total_bytes=1 << 36,
            ram_available_bytes=(1 << 36) - used,
            ram_used_bytes=used,
            swap_total_bytes=1 << 33,
            swap_used_bytes=int(2e8 + rng.gauss(0, 2e6)),
            pressure="normal",
            footprint_bytes=2_000_000_000 + int(rng.gauss(0, 5e7)),
        )
        self._journal.write(ev.MemorySampled(sample=sample))


def attached(home: Path, **more: str) -> contextlib.AbstractContextManager[Screen]:
    return shown([*COCKPIT, "attach", "load"], {"COCKPIT_HOME": str(home), **SSH, **more})


def of_a_going_run(home: Path, seconds: float, pace: float) -> dict[str, float]:
    """Bytes and CPU while the run goes on, and once it has nothing to say."""
    with supervised(home, events=2000) as run, attached(home) as screen:
        screen.wait_for("running")
        screen.wait_until_still(STILL_SECONDS)
        still = screen.over(seconds / 2)
        first = 1 + max(e.update for e in _updates(run))
        with Load(run, first, pace):
            time.sleep(5)
            live = screen.over(seconds)
    return {
        "live_bytes_per_second": live[0],
        "live_cpu": live[1],
        "still_bytes": still[0] * seconds / 2,
        "still_cpu": still[1],
    }


def _updates(run: RunDir) -> Iterator[ev.Updated]:
    for line in run.attempt(1).trainer_events.read_bytes().splitlines():
        if isinstance(event := ev.parse_event(line), ev.Updated):
            yield event


def of_a_long_run(home: Path, events: int, rounds: int) -> dict[str, float | None]:
    """Answers to keys and memory, on a run with so many events on disk."""
    with supervised(home, events), attached(home) as screen:
        started = time.perf_counter()
        screen.wait_for("running")
        opened = time.perf_counter() - started
        screen.wait_until_still(STILL_SECONDS)
        _, reading_cpu = screen.over(5)
        early = [screen.press(key) for key in KEYS]
        while screen.over(3)[1] > FOLLOWING_CPU:
            pass
        waits = [screen.press(key) for _ in range(rounds) for key in KEYS]
        return {
            "opened_seconds": opened,
            "reading_cpu": reading_cpu,
            "reading_key_median_ms": statistics.median(early),
            "keys": len(waits),
            "key_median_ms": statistics.median(waits),
            "key_p95_ms": statistics.quantiles(waits, n=20)[-1],
            "key_slowest_ms": max(waits),
            **screen.memory_mb(),
        }


@dataclass(frozen=True, slots=True)
class Goal:
    name: str
    key: str
    most: float | None
    unit: str
    factor: float = 1.0


GOALS = (
    Goal("two updates a second: sent", "live_bytes_per_second", 5000, "B/s"),
    Goal("two updates a second: CPU", "live_cpu", 3.0, "% of a core", 100),
    Goal("nothing changes: sent", "still_bytes", 0, "B"),
    Goal("nothing changes: CPU", "still_cpu", 3.0, "% of a core", 100),
    Goal("key to screen, median", "key_median_ms", 50, "ms"),
    Goal("key to screen, 95 %", "key_p95_ms", None, "ms"),
    Goal("key to screen, slowest", "key_slowest_ms", None, "ms"),
    Goal("memory, RSS", "rss_mb", 120, "MB"),
    Goal("memory, PSS", "pss_mb", 120, "MB"),
    Goal("opens a long run in", "opened_seconds", None, "s"),
    Goal("key to screen, as it is read", "reading_key_median_ms", None, "ms"),
    Goal("CPU while its curve is read", "reading_cpu", None, "% of a core", 100),
)


def tell(name: str, found: dict[str, float | None]) -> bool:
    """Prints the table; True if every goal is met."""
    print(f"\n{name:<30}{'measured':>10}{'goal':>10}")
    met = True
    for goal in GOALS:
        value = found.get(goal.key)
        if value is None:
            continue
        value *= goal.factor
        beyond = goal.most is not None and value > goal.most
        met = met and not beyond
        limit = "" if goal.most is None else f"{goal.most:g}"
        print(f"{goal.name:<30}{value:>10.1f}{limit:>10} {goal.unit}{'  MISSED' if beyond else ''}")
    return met


def of_a_peer(command: list[str], key: str, seconds: float) -> dict[str, float | None]:
    """The same of another program, as it stands after its start; goals are not theirs."""
    with tempfile.TemporaryDirectory() as home, shown(command, {"HOME": home, **SSH}) as screen:
        screen.wait(lambda: len(screen.received) > 500, "first screen")
        screen.wait_until_still(0.4)
        sent, cpu = screen.over(seconds)
        waits = [screen.press(key) for _ in range(40)]
        return {
            "still_bytes": sent * seconds,
            "still_cpu": cpu,
            "key_median_ms": statistics.median(waits),
            "key_p95_ms": statistics.quantiles(waits, n=20)[-1],
            **screen.memory_mb(),
        }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000, help="of the long run")
    parser.add_argument("--seconds", type=float, default=60.0, help="that each rate is taken over")
    parser.add_argument("--pace", type=float, default=2.0, help="updates a second")
    parser.add_argument("--rounds", type=int, default=6, help=f"of {len(KEYS)} keys each")
    parser.add_argument("--only", choices=("going", "long", "peers"), help="one of them")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--peer-key", default="\t", help="that changes a peer's screen (tab)")
    parser.add_argument("--output", type=Path, default=Path("terminal.json"))
    options = parser.parse_args()

    found: dict[str, float | None] = {}
    if options.only in (None, "going"):
        with tempfile.TemporaryDirectory(prefix="terminal-") as home:
            found |= of_a_going_run(Path(home), options.seconds, options.pace)
    if options.only in (None, "long"):
        with tempfile.TemporaryDirectory(prefix="terminal-") as home:
            found |= of_a_long_run(Path(home), options.events, options.rounds)
    met = tell("cockpit", found) if found else True
    peers = {}
    for name, _, command in (peer.partition("=") for peer in options.peer):
        try:
            peers[name] = of_a_peer(shlex.split(command), options.peer_key, options.seconds / 2)
        except SystemExit as error:
            print(f"\n{name} was not measured: {error}")
            continue
        tell(name, peers[name])
    options.output.write_text(json.dumps({"cockpit": found, "peers": peers}, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
