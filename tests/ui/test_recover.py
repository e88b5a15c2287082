"""The Recover screen on a real run with a real checkpoint, whose end is a recorded one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from cockpit.core import events as ev
from cockpit.core.samples import MemorySample
from cockpit.system import jsonl, launcher, observe, preflight, recoveries, run_dir, summary
from cockpit.system.run_dir import RunDir
from cockpit.ui.recovering import fields_of
from tests.ui.conftest import demo_plan, opened, until, until_shown

KILLED = ev.Diagnosis(
    kind="memory_kill",
    title="The kernel killed the trainer: out of memory",
    evidence=("ended by SIGKILL", "the kernel killed 1 for memory just then"),
    remedy="Resume with a smaller batch, shorter sequences or fewer layers.",
)


@pytest.fixture
def dead_run(home: object) -> Iterator[RunDir]:
    """A run that was killed after its first checkpoint, and taken for a lack of memory."""
    plan = demo_plan(batch_size=4, iters=60, save_every=2, steps_per_eval=1000, val_batches=1)
    run = run_dir.create(preflight.prepare(plan.with_changes(sample_prompts=())))
    launcher.launch(run)
    wait_until(lambda: summary.digest(run).checkpoints)
    state = observe.current_state(run)
    assert state.trainer is not None
    os.kill(state.trainer[0], signal.SIGKILL)
    wait_until(lambda: observe.current_state(run).status == "failed")
    wait_until(lambda: b"supervisor_end" in run.supervisor_events.read_bytes())
    sample = MemorySample(footprint_bytes=140_000_000, limit_bytes=150_000_000)
    now = time.time()
    for seconds in (3, 2, 1):
        jsonl.append(run.supervisor_events, ev.MemorySampled(t=now - seconds, sample=sample).line())
    exited = ev.TrainerExited(attempt=1, signal="SIGKILL", exit_code=137, diagnosis=KILLED)
    jsonl.append(run.supervisor_events, exited.line())
    yield run
    state = observe.current_state(run)
    for identity in (state.supervisor, state.trainer):
        if state.active and identity is not None:
            os.kill(identity[0], signal.SIGKILL)


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_a_death_of_memory_is_a_fork_in_the_road(dead_run: RunDir) -> None:
    """What happened, the ways on with their prices, and one key goes on to the end."""
    async with opened(dead_run) as pilot:
        await until_shown(pilot, "✗ failed", "R shows the ways on", "R Recover")
        await pilot.press("R")
        await until_shown(pilot, "What happened", KILLED.title, "from the checkpoint after update")
        await until_shown(pilot, "Gradient checkpointing", "Smaller micro-batches", "lossless")
        await until_shown(pilot, "budget", "activations are computed twice")

        await pilot.press("down", "down")
        await until_shown(pilot, "examples an update instead of 4 x ")
        await pilot.press("w")
        await until_shown(pilot, "the kernel killed 1 for memory just then", "forecast")
        await pilot.press("escape", "enter")
        await until_shown(pilot, "attempt 2")
        (request,) = [recoveries.of(a) for a in dead_run.attempts() if a.number == 2]
        assert request is not None and request.rung == "batch_size" and not request.automatic
        assert request.changes["batch_size"] == 2
        await until_shown(pilot, "✓ completed")
    (told,) = observe.current_state(dead_run).recoveries
    assert told.recovery.title == request.title


async def test_every_way_can_be_edited_first_and_is_priced_again(dead_run: RunDir) -> None:
    async with opened(dead_run, size=(120, 40)) as pilot:
        await until_shown(pilot, "R shows the ways on")
        await pilot.press("R")
        await until_shown(pilot, "Memory of the trainer, to its end", "limit 0.15 GB")
        await until_shown(pilot, "Smaller micro-batches")
        await pilot.press("down", "down", "e")
        await until_shown(pilot, "Edit this way on", "batch_size=")
        await pilot.press("ctrl+u", *"batch_size=1", "enter")
        await until_shown(pilot, "Edited: batch_size=1", "1 x 4 examples an update")
        await pilot.press("e", "ctrl+u", *"batch_size=none", "enter")
        await until_shown(pilot, "The plan is not valid", "batch_size")
        await pilot.press("escape")
        await until(pilot, lambda: len(dead_run.attempts()) == 1)


def test_a_change_is_written_as_the_plan_names_it() -> None:
    assert fields_of("batch_size=2 --num-layers=4 grad_checkpoint=True long_examples=split") == {
        "batch_size": 2,
        "num_layers": 4,
        "grad_checkpoint": True,
        "long_examples": "split",
    }
