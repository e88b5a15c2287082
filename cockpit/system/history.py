"""What supervisors of a run have written so far about its trainers, memory samples left out."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.core import events as ev
from cockpit.system import backlog, jsonl
from cockpit.system.process import Identity
from cockpit.system.run_dir import AttemptDir, RunDir

# Where a memory sample names itself; Record writes v and t before the type.
_MEMORY_MARK = b'"type":"memory"'
_HEAD_BYTES = 16 * 1024
_TAIL_BYTES = 64 * 1024


@dataclass(slots=True)
class TrainerHistory:
    """One attempt's trainer: who it was, and whether its exit is known."""

    attempt: int
    trainer: Identity
    exited: bool = False


def is_memory(line: bytes) -> bool:
    """Whether a line of supervisor.jsonl is a memory sample, without parsing it."""
    return _MEMORY_MARK in line[:64]


def without_old_samples(lines: list[bytes], keep: int) -> list[bytes]:
    """``lines`` with only the last ``keep`` memory samples: the others need no parsing."""
    old = [i for i, line in enumerate(lines) if is_memory(line)][: -keep or None]
    skipped = frozenset(old)
    return [line for i, line in enumerate(lines) if i not in skipped]


def supervisor_pid(run: RunDir) -> int | None:
    """The newest supervisor's; None without a record. Raises OSError if it cannot be read."""
    events = map(ev.parse_event, backlog.without_memory(run.supervisor_events))
    pids = [event.pid for event in events if isinstance(event, ev.SupervisorStarted)]
    return pids[-1] if pids else None


def trainers(run: RunDir) -> dict[int, TrainerHistory]:
    """The trainers on record, by attempt, oldest attempt first.

    A trainer's own first event counts as well: the supervisor may have died before writing its.
    Raises OSError if a file cannot be read.
    """
    known: dict[int, TrainerHistory] = {}
    for line in backlog.without_memory(run.supervisor_events):
        _learn(known, ev.parse_event(line))
    for attempt in run.attempts():
        head, rest = jsonl.ends(attempt.trainer_events, _HEAD_BYTES, 0)
        for line in head or rest:
            _learn(known, ev.parse_event(line))
    return dict(sorted(known.items()))


def _learn(known: dict[int, TrainerHistory], event: ev.Event | None) -> None:
    if isinstance(event, ev.TrainerStarted | ev.Started):
        who = (event.pid, event.pid_created)
        known.setdefault(event.attempt, TrainerHistory(event.attempt, who))
    elif isinstance(event, ev.TrainerExited) and event.attempt in known:
        known[event.attempt].exited = True


def last_event_at(attempt: AttemptDir) -> float | None:
    """When the trainer last wrote anything; None if it never did."""
    try:
        _, lines = jsonl.ends(attempt.trainer_events, 0, _TAIL_BYTES)
    except OSError:
        return None
    events = filter(None, map(ev.parse_event, reversed(lines)))
    return next((event.t for event in events), None)


def last_word(attempt: AttemptDir) -> ev.Ended | None:
    """How the trainer said it ended, or None if it left no last word."""
    try:
        _, lines = jsonl.ends(attempt.trainer_events, 0, _TAIL_BYTES)
    except OSError:
        return None
    for line in reversed(lines):
        if isinstance(event := ev.parse_event(line), ev.Ended):
            return event
    return None
