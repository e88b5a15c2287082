"""Runs whose every word is fixed: the same names, times and figures whenever they are written."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.core.samples import MemorySample
from cockpit.system import plan_file, process, run_dir
from cockpit.system.home import runs_folder
from cockpit.system.run_dir import RunDir

# 21 September 2026, 14:13:20 UTC.
START = 1_790_000_000.0
PLAN = RunPlan(
    model="nano", data="demo", iters=200, batch_size=4, max_seq_length=128, num_layers=4,
    learning_rate=5e-4, steps_per_eval=40, save_every=50,
)  # fmt: skip
FORECAST = {
    "peak_bytes": 2_400_000_000, "low_bytes": 2_200_000_000, "high_bytes": 2_700_000_000,
    "budget_bytes": 5_730_000_000, "method": "trace",
    "parts": {"activations": 1_300_000_000, "weights": 800_000_000, "optimizer": 300_000_000},
}  # fmt: skip
OUT_OF_MEMORY = ev.Diagnosis(
    kind="memory_kill",
    title="The kernel killed the trainer: out of memory",
    evidence=("ended by SIGKILL", "the memory it held was at its limit 2 s before"),
    remedy="Resume with a smaller batch, shorter sequences or fewer layers.",
)


def training(updates: int = 120, rate: float = 5e-4, final: float = 1.2) -> list[ev.TrainerEvent]:
    """A run by this process, which is alive: it loads, trains, validates and saves."""
    identity = process.identity(os.getpid())
    assert identity is not None
    return [
        ev.Started(t=START, attempt=1, pid=identity[0], pid_created=identity[1], updates=200,
                   device="Apple M2", dtype="bfloat16"),
        ev.ModelLoaded(t=START + 2, parameters=3_700_000, trainable_parameters=98_304,
                       layers=4, train_examples=400, valid_examples=40),
        ev.PhaseChanged(t=START + 3, phase="training"),
        *(event for n in range(1, updates + 1) for event in _of_update(n, rate, final)),
    ]  # fmt: skip


def _of_update(n: int, rate: float, final: float) -> Iterator[ev.TrainerEvent]:
    t = START + 3 + n
    loss = final + 2.0 * math.exp(-n / 30) + 0.15 * math.sin(n * 1.7)
    yield ev.Updated(
        t=t, update=n, epoch=n / 100, loss=loss, learning_rate=rate, tokens=480,
        trained_tokens=480 * n, seconds=1.0, tokens_per_second=480.0,
        grad_norm=0.5 + 0.2 * math.sin(n), active_bytes=1_400_000_000,
        peak_bytes=2_150_000_000, cache_bytes=0,
    )  # fmt: skip
    if n % 40 == 0:
        yield ev.Validated(
            t=t, update=n, loss=final + 0.1 + 2.0 * math.exp(-n / 30), seconds=1.0, tokens=1200
        )
    if n % 50 == 0:
        saved = f"checkpoints/{n:07d}"
        yield ev.Checkpointed(t=t, update=n, path=saved, seconds=0.1, size_bytes=1_200_000)


def memory(seconds: int = 120) -> list[ev.SupervisorEvent]:
    """A sample a second, of a Mac of 8 GB with some swap."""
    return [
        ev.MemorySampled(
            t=START + second,
            sample=MemorySample(
                ram_total_bytes=8 * 2**30, ram_used_bytes=6_000_000_000 + 4_000_000 * second,
                ram_available_bytes=2_000_000_000, swap_total_bytes=2 * 2**30,
                swap_used_bytes=200_000_000 + 1_000_000 * (second // 10), pressure="normal",
                free_percent=31, wired_bytes=1_900_000_000, compressed_bytes=600_000_000,
                footprint_bytes=1_500_000_000 + int(600_000_000 * abs(math.sin(second / 9))),
                limit_bytes=2_300_000_000,
            ),
        )
        for second in range(seconds)
    ]  # fmt: skip


def write(
    name: str,
    trainer: Iterable[ev.TrainerEvent],
    supervisor: Iterable[ev.SupervisorEvent] = (),
    plan: RunPlan = PLAN,
    log: Sequence[str] = (),
) -> RunDir:
    """The run of that name."""
    run = RunDir(runs_folder() / name)
    run.path.mkdir(parents=True)
    plan_file.write(plan, run.plan_path)
    attempt = run_dir.add_attempt(run, plan, FORECAST)
    attempt.trainer_events.write_bytes(b"".join(event.line() for event in trainer))
    run.supervisor_events.write_bytes(b"".join(event.line() for event in supervisor))
    attempt.log.write_text("".join(f"{line}\n" for line in log))
    return run


def going() -> RunDir:
    said = ("loading nano", "400 examples to train on, 40 to validate", "training 98,304 weights")
    return write("20260921-1413-nano-going", training(), memory(), log=said)


def completed(name: str = "20260920-0900-nano-completed", **changes: float) -> RunDir:
    """To its end; ``changes`` are of its learning rate and its final loss."""
    events = training(200, **changes)
    end = ev.Ended(t=START + 210, status="completed", update=200)
    plan = PLAN.with_changes(learning_rate=changes.get("rate", PLAN.learning_rate))
    exited = ev.TrainerExited(t=START + 211, attempt=1, exit_code=0)
    ended = ev.SupervisorEnded(t=START + 212)
    return write(name, [*events, end], [*memory(), exited, ended], plan)


def killed() -> RunDir:
    """Out of memory after 12 updates, before its first checkpoint."""
    exited = ev.TrainerExited(
        t=START + 20, attempt=1, signal="SIGKILL", exit_code=137, diagnosis=OUT_OF_MEMORY
    )
    gone = training(12)
    gone[0] = gone[0].model_copy(update={"pid": 2**22 + 1})  # above Linux's highest
    ended = ev.SupervisorEnded(t=START + 21)
    return write("20260919-2200-nano-killed", gone, [*memory(18), exited, ended])
