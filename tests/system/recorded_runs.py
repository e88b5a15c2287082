"""Run directories as a trainer would have left them, for tests of what is read from them."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.system import run_dir
from cockpit.system.run_dir import RunDir


def recorded(*attempts: Sequence[ev.TrainerEvent], name: str = "run", model: str = "m") -> RunDir:
    """A run with the events of each of its attempts."""
    plan = RunPlan(model=model, data="data", name=name)
    run = run_dir.create(plan)
    for number, events in enumerate(attempts, start=1):
        if number > 1:
            run_dir.add_attempt(run, plan)
        lines = b"".join(event.line() for event in events)
        run.attempt(number).trainer_events.write_bytes(lines)
    return run


def started(attempt: int = 1, update: int = 0) -> ev.Started:
    return ev.Started(
        attempt=attempt, pid=1, pid_created=0.0, update=update, updates=100, device="test"
    )


def updated(update: int, loss: float = 1.0, peak_bytes: int = 3_000) -> ev.Updated:
    return ev.Updated(
        update=update, epoch=update / 10, loss=loss, learning_rate=1e-4, tokens=10,
        trained_tokens=10 * update, seconds=0.5, tokens_per_second=20.0, grad_norm=0.5,
        active_bytes=2_000, peak_bytes=peak_bytes, cache_bytes=0,
    )  # fmt: skip


def validated(update: int, loss: float) -> ev.Validated:
    return ev.Validated(update=update, loss=loss, seconds=1.0, tokens=10)


def completed(update: int) -> ev.Ended:
    return ev.Ended(status="completed", update=update)
