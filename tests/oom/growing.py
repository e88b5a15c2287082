"""A trainer whose memory grows while it trains: ``python growing.py KIND MIB RUN ATTEMPT``.

``leak`` keeps MIB more after every update. ``neighbour`` has another process in the same cgroup
take MIB more each second, from the first attempt's first update on. ``data`` adds nothing: its
batches get longer. An update takes at least UPDATE_SECONDS, which is short for a real model; it is
the cockpit's trainer in all else.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from cockpit.system.run_dir import RunDir
from cockpit.trainer import blas
from cockpit.trainer.__main__ import main

MIB = 2**20
STEPS_A_SECOND = 10
UPDATE_SECONDS = 0.3


def slow_down(leaked_mib: float) -> None:
    """Every update takes its time, and keeps what leaks."""
    blas.load()
    from cockpit.trainer.step import StepResult, UpdateStep

    make = UpdateStep.__call__
    kept: list[bytearray] = []

    def and_keep(step: UpdateStep, batches: Any) -> StepResult:
        start = time.monotonic()
        result = make(step, batches)
        if leaked_mib:
            kept.append(bytearray(b"x") * int(leaked_mib * MIB))
        time.sleep(max(0.0, UPDATE_SECONDS - (time.monotonic() - start)))
        return result

    UpdateStep.__call__ = and_keep  # type: ignore[method-assign, assignment]


def neighbour(mib: float, events: Path) -> None:
    """Forks it. The kernel is told to kill the trainer first, as it would a larger one."""
    trainer = os.getpid()
    if os.fork() != 0:
        Path("/proc/self/oom_score_adj").write_text("900")
        return
    for stream in range(3):
        os.close(stream)
    kept: list[bytearray] = []
    while os.getppid() == trainer:
        if kept or (events.exists() and b'"type":"update"' in events.read_bytes()):
            kept.append(bytearray(b"x") * int(mib * MIB / STEPS_A_SECOND))
        time.sleep(1 / STEPS_A_SECOND)
    os._exit(0)


if __name__ == "__main__":
    kind, amount, path, number = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    if kind == "neighbour" and number == "1":
        neighbour(amount, RunDir(path).attempt(1).trainer_events)
    slow_down(amount if kind == "leak" else 0.0)
    sys.exit(main([str(path), number]))
