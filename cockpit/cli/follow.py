"""Following a run as lines: for logs, pipes, screen readers and ``cockpit train``."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.cli.output import say
from cockpit.core import events as ev
from cockpit.core import format as fmt
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState
from cockpit.errors import CockpitError
from cockpit.system import models
from cockpit.system.observe import RunWatcher
from cockpit.system.run_dir import RunDir

POLL_SECONDS = 0.3
CATCH_UP_LINES = 5


@dataclass(slots=True)
class Printed:
    """How much of a RunState has been said already."""

    update: int = 0
    validations: int = 0
    checkpoints: int = 0
    samples: int = 0
    said_notes: float = 0.0
    phase: str = ""


def follow(run: RunDir) -> RunState:
    """Prints progress to standard error until the run has ended, and returns its state."""
    watcher = RunWatcher(run)
    report_every = run.plan().in_updates(run.plan().steps_per_report)
    printed = Printed()
    while True:
        state = watcher.poll()
        print_progress(state, printed, report_every)
        if not state.active and watcher.caught_up:
            return state
        time.sleep(POLL_SECONDS)


def current_state(run: RunDir) -> RunState:
    """All that the run's files say now."""
    watcher = RunWatcher(run)
    state = watcher.poll()
    while not watcher.caught_up:
        state = watcher.poll()
    return state


def print_progress(state: RunState, printed: Printed, report_every: int) -> None:
    """Says what is new in ``state`` since the last call."""
    for note in state.notes:
        if note.t > printed.said_notes:
            say(f"{note.level}: {note.message}" + (f"\n  -> {note.remedy}" if note.remedy else ""))
            printed.said_notes = note.t
    if state.phase != printed.phase and state.phase in ("loading", "compiling", "testing"):
        say(f"{state.phase} ...")
    printed.phase = state.phase
    _print_updates(state, printed, report_every)
    for validation in state.validations[printed.validations :]:
        say(validation_line(validation, state))
    printed.validations = len(state.validations)
    for checkpoint in state.checkpoints[printed.checkpoints :]:
        say(f"{_at(checkpoint.update, state)}  checkpoint ({checkpoint.reason})")
    printed.checkpoints = len(state.checkpoints)


def _print_updates(state: RunState, printed: Printed, report_every: int) -> None:
    due = [
        (update, loss, rate)
        for (update, loss), (_, rate) in _since(state, printed.update)
        if update % report_every == 0 or update == state.updates
    ]
    if due:
        printed.update = due[-1][0]
    # Attaching to a long run starts near its end, not with a thousand lines.
    for update, loss, rate in due[-CATCH_UP_LINES:]:
        say(
            f"{_at(update, state)}  loss {fmt.loss(loss)}  rate {rate:.2e}  "
            f"{fmt.speed(state.tokens_per_second)}  peak {fmt.gigabytes(state.peak_bytes)}  "
            f"left {fmt.duration(state.eta_seconds)}"
        )


def _since(state: RunState, update: int) -> Iterator[tuple[tuple[int, float], tuple[int, float]]]:
    """Losses and learning rates after ``update``, oldest first."""
    start = bisect_right(state.losses, update, key=lambda point: point[0])
    return zip(state.losses[start:], state.learning_rates[start:], strict=True)


def validation_line(validation: ev.Validated, state: RunState) -> str:
    best = "  best" if validation.best else ""
    return f"{_at(validation.update, state)}  validation loss {validation.loss:.3f}{best}"


def _at(update: int, state: RunState) -> str:
    total = str(state.updates) if state.updates else "?"
    return f"update {update:>{len(total)}}/{total}"


def print_samples(state: RunState) -> None:
    """Each sampled prompt with its first and its last answer."""
    prompts = list(dict.fromkeys(sample.prompt for sample in state.samples))
    for prompt in prompts:
        answers = [sample for sample in state.samples if sample.prompt == prompt]
        say(f'\n"{prompt}"')
        for label, answer in (("before", answers[0]), ("after", answers[-1])):
            say(f"  {label:<6} (update {answer.update}): {answer.text.strip()}")


def print_ending(run: RunDir, plan: RunPlan, state: RunState) -> None:
    """The last lines: how it ended, what it left, what to do next."""
    seconds = None
    if state.started_at is not None and state.ended_at is not None:
        seconds = state.ended_at - state.started_at
    first, last = (state.losses[0][1], state.losses[-1][1]) if state.losses else (None, None)
    say(
        f"\n{state.status} after {state.update} updates in {fmt.duration(seconds)}: "
        f"loss {fmt.loss(first)} -> {fmt.loss(last)}, peak {fmt.gigabytes(state.peak_bytes)}"
    )
    if state.status == "failed":
        _print_failure(state)
    elif state.end is not None and state.end.title:
        say(f"{state.end.title}. {state.end.message}")
        if state.end.remedy:
            say(f"  -> {state.end.remedy}")
    if state.checkpoints:
        say(f"adapters: {run.adapters}")
        say(
            f"try them: mlx_lm.generate --model {_folder(plan)} "
            f"--adapter-path {run.adapters} --prompt '...'"
        )


def _folder(plan: RunPlan) -> str:
    """What mlx_lm.generate calls the model: it does not know our names."""
    try:
        found = models.resolve(plan.model).path
    except CockpitError:
        found = None
    return str(found or plan.model)


def _print_failure(state: RunState) -> None:
    if state.end is not None:
        lines = [state.end.title, state.end.message]
        remedy = state.end.remedy
    else:
        diagnosis = state.diagnosis
        lines = [diagnosis.title, *diagnosis.evidence] if diagnosis else []
        remedy = diagnosis.remedy if diagnosis else ""
    for line in filter(None, lines):
        say(f"  {line}")
    if remedy:
        say(f"  -> {remedy}")
