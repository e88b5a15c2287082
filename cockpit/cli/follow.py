"""Following a run as lines: for logs, pipes, screen readers and ``cockpit train``."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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
    noted: set[tuple[str, str]] = field(default_factory=set)
    recovery: ev.Recovered | None = None
    recovered: set[int] = field(default_factory=set)
    guard: ev.Guarded | None = None
    concerns: frozenset[str] = frozenset()
    status: str = ""
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of a moment, and of which update if of any."""

    t: float
    text: str
    update: int | None = None


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
    """Says what is new in ``state`` since the last call, in the order it happened."""
    records = sorted(_records(state, printed), key=lambda said: said.t)
    for line in _placed(_updates(state, printed, report_every), records, state):
        say(line.text)
    _print_concerns(state, printed)
    if state.phase != printed.phase and state.phase in ("loading", "compiling", "testing"):
        say(f"{state.phase} ...")
    printed.phase = state.phase
    printed.begun = True


def _records(state: RunState, printed: Printed) -> Iterator[Line]:
    """What carries the time it happened at."""
    for note in _after(state.notes, printed.note):
        printed.note = note
        # Every attempt says the same of its machine and its data.
        if (note.level, note.message) not in printed.noted:
            printed.noted.add((note.level, note.message))
            told = f"\n  -> {note.remedy}" if note.remedy else ""
            yield Line(note.t, f"{note.level}: {note.message}{told}")
    if state.guard is not None and state.guard != printed.guard:
        title, said, remedy = guard.told(state.guard)
        yield Line(state.guard.t, f"warning: {title}: {said}\n  -> {remedy}")
    printed.guard = state.guard
    for recovered in _after(state.recoveries, printed.recovery):
        printed.recovery = recovered
        yield from _recovery(recovered, printed)
    # Attaching to a long run starts near its end, not with a thousand lines.
    newest = 0 if printed.begun else -CATCH_UP_LINES
    for validation in _after(state.validations, printed.validation)[newest:]:
        printed.validation = validation
        yield Line(validation.t, validation_line(validation, state), validation.update)
    for saved in _after(state.checkpoints, printed.checkpoint)[newest:]:
        printed.checkpoint = saved
        text = f"{_at(saved.update, state)}  checkpoint ({saved.reason})"
        yield Line(saved.t, text, saved.update)


def _recovery(told: ev.Recovered, printed: Printed) -> Iterator[Line]:
    """That an attempt is one, and later what that costs."""
    if told.attempt not in printed.recovered:
        printed.recovered.add(told.attempt)
        yield Line(told.t, recovery_line(told), told.recovery.from_update)
    if cost := cost_in_words(told.recovery):
        yield Line(told.t, f"attempt {told.attempt}: {cost}")


def _placed(updates: list[Line], records: list[Line], state: RunState) -> list[Line]:
    """The updates, whose times nobody keeps, among the records: after all of the updates before,
    and after what was said meanwhile."""
    last = state.last.t if state.last is not None else math.inf
    lines = list(records)
    for update in updates:
        assert update.update is not None
        before = [
            i for i, x in enumerate(lines) if x.update is not None and x.update < update.update
        ]
        place = before[-1] + 1 if before else 0
        while place < len(lines) and lines[place].update is None and lines[place].t <= last:
            place += 1
        lines.insert(place, update)
    return lines


def _print_concerns(state: RunState, printed: Printed) -> None:
    """What looks wrong, and that the run waits for somebody."""
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


def _updates(state: RunState, printed: Printed, report_every: int) -> list[Line]:
    # A new attempt may start before the place where the one before it ended.
    printed.update = min(printed.update, state.update)
    due = [
        (update, loss, rate)
        for (update, loss), (_, rate) in _since(state, printed.update)
        if update % report_every == 0 or update == state.updates
    ]
    if due:
        printed.update = due[-1][0]
    how = (
        f"{fmt.speed(state.tokens_per_second)}  peak {fmt.gigabytes(state.peak_bytes)}  "
        f"left {fmt.duration(state.eta_seconds)}"
    )
    return [
        Line(0.0, f"{_at(update, state)}  loss {fmt.loss(loss)}  rate {rate:.2e}  {how}", update)
        for update, loss, rate in due[-CATCH_UP_LINES:]
    ]


def _since(state: RunState, update: int) -> Iterator[tuple[tuple[int, float], tuple[int, float]]]:
    """Losses and learning rates after ``update``, oldest first."""
    start = bisect_right(state.losses, update, key=lambda point: point[0])
    return zip(state.losses[start:], state.learning_rates[start:], strict=True)


def recovery_line(event: ev.Recovered) -> str:
    """``attempt 2 recovers from update 40 (3 made again): Fewer layers: 4 -> 2``."""
    taken = event.recovery
    again = f" ({taken.lost_updates} made again)" if taken.lost_updates else ""
    return f"attempt {event.attempt} recovers from update {taken.from_update}{again}: {taken.title}"


def validation_line(validation: ev.Validated, state: RunState) -> str:
    best = "  best" if validation.best else ""
    return f"{_at(validation.update, state)}  validation loss {validation.loss:.3f}{best}"


def _at(update: int, state: RunState) -> str:
    total = str(state.updates) if state.updates else "?"
    return f"update {update:>{len(total)}}/{total}"
