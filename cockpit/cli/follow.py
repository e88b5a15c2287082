"""Following a run as lines: for logs, pipes, screen readers and ``cockpit train``."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cockpit.cli.output import say
from cockpit.core import events as ev
from cockpit.core import format as fmt
from cockpit.core import guard
from cockpit.core.concerns import concerns
from cockpit.core.ladder import cost_in_words
from cockpit.core.run_state import RunState
from cockpit.system import run_lock
from cockpit.system.observe import RunWatcher
from cockpit.system.run_dir import RunDir

POLL_SECONDS = 0.3
WAITING = frozenset({"paused", "stopping"})
CATCH_UP_LINES = 5


Said = TypeVar("Said", bound=ev.Record)


@dataclass(slots=True)
class Printed:
    """How much of a RunState has been said already: the last of each kind.

    Not how many: a RunState forgets old ones.
    """

    begun: bool = False
    update: int = 0
    validation: ev.Validated | None = None
    checkpoint: ev.Checkpointed | None = None
    note: ev.Note | None = None
    recovery: ev.Recovered | None = None
    guard: ev.Guarded | None = None
    concerns: frozenset[str] = frozenset()
    status: str = ""
    phase: str = ""


def follow(run: RunDir) -> RunState:
    """Prints progress to standard error until the run has ended, and returns its state."""
    watcher = RunWatcher(run)
    report_every = run.plan().in_updates(run.plan().steps_per_report)
    recovers = run.plan().on_oom == "auto"
    printed = Printed()
    while True:
        # A supervisor that may go on by itself has the last word, after the trainer's.
        waits = recovers and run_lock.is_held(run)
        state = watcher.poll()
        print_progress(state, printed, report_every)
        if not state.active and watcher.caught_up and not waits:
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
    for note in _after(state.notes, printed.note):
        say(f"{note.level}: {note.message}" + (f"\n  -> {note.remedy}" if note.remedy else ""))
        printed.note = note
    for recovered in _after(state.recoveries, printed.recovery):
        say(recovery_line(recovered))
        printed.recovery = recovered
    _print_warnings(state, printed)
    if state.phase != printed.phase and state.phase in ("loading", "compiling", "testing"):
        say(f"{state.phase} ...")
    printed.phase = state.phase
    _print_updates(state, printed, report_every)
    # Attaching to a long run starts near its end, not with a thousand lines.
    newest = 0 if printed.begun else -CATCH_UP_LINES
    printed.begun = True
    for validation in _after(state.validations, printed.validation)[newest:]:
        say(validation_line(validation, state))
        printed.validation = validation
    for checkpoint in _after(state.checkpoints, printed.checkpoint)[newest:]:
        say(f"{_at(checkpoint.update, state)}  checkpoint ({checkpoint.reason})")
        printed.checkpoint = checkpoint


def _print_warnings(state: RunState, printed: Printed) -> None:
    """What the guard saw, what looks wrong, and that the run waits for somebody."""
    if state.guard is not None and state.guard != printed.guard:
        title, said, remedy = guard.told(state.guard)
        say(f"warning: {title}: {said}\n  -> {remedy}")
    printed.guard = state.guard
    found = concerns(state)
    for concern in found:
        if concern.kind not in printed.concerns:
            say(f"warning: {concern.title}: {concern.evidence}\n  -> {concern.remedy}")
    printed.concerns = frozenset(concern.kind for concern in found)
    waits, waited = state.status in WAITING, printed.status in WAITING
    if waits and state.status != printed.status:
        say(f"{state.status} ...")
    elif waited and not waits and state.trains:
        say("running again")
    printed.status = state.status


def _after(records: Iterable[Said], last: Said | None) -> Sequence[Said]:
    """Those that follow ``last``; the later ones if it is not among them any more."""
    found = list(records)
    if last is None:
        return found
    for index in range(len(found) - 1, -1, -1):
        if found[index] == last:
            return found[index + 1 :]
    return [record for record in found if record.t > last.t]


def _print_updates(state: RunState, printed: Printed, report_every: int) -> None:
    # A new attempt may start before the place where the one before it ended.
    printed.update = min(printed.update, state.update)
    due = [
        (update, loss, rate)
        for (update, loss), (_, rate) in _since(state, printed.update)
        if update % report_every == 0 or update == state.updates
    ]
    if due:
        printed.update = due[-1][0]
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


def recovery_line(event: ev.Recovered) -> str:
    """``attempt 2 recovers from update 40 (3 made again): Fewer layers: 4 -> 2``."""
    taken = event.recovery
    again = f" ({taken.lost_updates} made again)" if taken.lost_updates else ""
    said = f"attempt {event.attempt} recovers from update {taken.from_update}{again}: {taken.title}"
    return said if taken.slowdown is None else f"attempt {event.attempt}: {cost_in_words(taken)}"


def validation_line(validation: ev.Validated, state: RunState) -> str:
    best = "  best" if validation.best else ""
    return f"{_at(validation.update, state)}  validation loss {validation.loss:.3f}{best}"


def _at(update: int, state: RunState) -> str:
    total = str(state.updates) if state.updates else "?"
    return f"update {update:>{len(total)}}/{total}"
