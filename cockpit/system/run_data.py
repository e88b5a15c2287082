"""Every update of a run as one row, however many there are: what an export is made of.

Read from the events line by line, so memory does not grow with the run. What a later attempt
went back behind and made again is told once, as in the run's own curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from cockpit.core import events as ev
from cockpit.system import jsonl
from cockpit.system.run_dir import AttemptDir, RunDir

_HEAD_BYTES = 16 * 1024


class UpdateRow(NamedTuple):
    """One update; the names are those of an export. None is unknown, or was not measured.

    ``train_loss`` is the mean over the update's tokens before its step, ``validation_loss`` that
    of the weights after it. Update 0 is the weights before any.
    """

    update: int
    train_loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens: int | None = None
    trained_tokens: int | None = None
    epoch: float | None = None
    seconds: float | None = None
    tokens_per_second: float | None = None
    active_bytes: int | None = None
    peak_bytes: int | None = None
    cache_bytes: int | None = None
    attempt: int | None = None
    unix_time: float | None = None


def rows(run: RunDir) -> Iterator[UpdateRow]:
    """The run's updates in order. What cannot be read or understood is passed over."""
    waiting: UpdateRow | None = None
    for attempt, event in _events(run):
        if isinstance(event, ev.Validated):
            if waiting is not None and waiting.update == event.update:
                waiting = waiting._replace(validation_loss=event.loss)
                continue
            following = UpdateRow(
                event.update, validation_loss=event.loss, attempt=attempt, unix_time=event.t
            )
        else:
            following = _row_of(event, attempt)
            if waiting is not None and waiting.update == event.update:
                # Its validation came first; or a damaged file told it twice.
                following = following._replace(validation_loss=waiting.validation_loss)
                waiting = None
        if waiting is not None:
            yield waiting
        waiting = following
    if waiting is not None:
        yield waiting


def _row_of(event: ev.Updated, attempt: int) -> UpdateRow:
    return UpdateRow(
        update=event.update,
        train_loss=event.loss,
        learning_rate=event.learning_rate,
        grad_norm=event.grad_norm,
        tokens=event.tokens,
        trained_tokens=event.trained_tokens,
        epoch=event.epoch,
        seconds=event.seconds,
        tokens_per_second=event.tokens_per_second,
        active_bytes=event.active_bytes,
        peak_bytes=event.peak_bytes,
        cache_bytes=event.cache_bytes,
        attempt=attempt,
        unix_time=event.t,
    )


def _events(run: RunDir) -> Iterator[tuple[int, ev.Updated | ev.Validated]]:
    attempts = run.attempts()
    kept_until = _kept_until(attempts)
    for attempt, last in zip(attempts, kept_until, strict=True):
        tail = jsonl.Tail(attempt.trainer_events)
        while lines := _read(tail):
            for line in lines:
                event = ev.parse_event(line)
                if isinstance(event, ev.Updated | ev.Validated) and event.update <= last:
                    yield attempt.number, event


def _kept_until(attempts: list[AttemptDir]) -> list[float]:
    """For each attempt its last update that no later one went back behind."""
    last = math.inf
    found: list[float] = []
    for attempt in reversed(attempts):
        found.append(last)
        if (start := _started_at(attempt)) is not None:
            last = min(last, start)
    return found[::-1]


def _started_at(attempt: AttemptDir) -> int | None:
    """The updates behind an attempt as it began; None if it never got that far."""
    try:
        head, rest = jsonl.ends(attempt.trainer_events, _HEAD_BYTES, 0)
    except OSError:
        return None
    events = map(ev.parse_event, head or rest)
    return next((event.update for event in events if isinstance(event, ev.Started)), None)


def _read(tail: jsonl.Tail) -> list[bytes]:
    try:
        return tail.read()
    except OSError:
        return []
