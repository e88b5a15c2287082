"""The recoveries a run has been through, as its attempts tell them."""

from __future__ import annotations

import statistics

from cockpit.core import events as ev
from cockpit.core.events import Recovery
from cockpit.system import backlog, checkpoints, jsonl
from cockpit.system.run_dir import AttemptDir, RunDir

# So many updates after the first tell how fast an attempt is.
ENOUGH_UPDATES = 3
_TAIL_BYTES = 64 * 1024


def of(attempt: AttemptDir) -> Recovery | None:
    """The recovery that an attempt is; None for a first start, a resume, or what is damaged."""
    try:
        request = checkpoints.request(attempt.path)
    except ValueError:
        return None
    return request.recovery if request is not None else None


def last_update(attempt: AttemptDir) -> ev.Updated | None:
    """The last update that an attempt made; None if it made none."""
    try:
        _, lines = jsonl.ends(attempt.trainer_events, 0, _TAIL_BYTES)
    except OSError:
        return None
    for line in reversed(lines):
        if isinstance(event := ev.parse_event(line), ev.Updated):
            return event
    return None


def seconds_per_token(attempt: AttemptDir) -> float | None:
    """What a token took in the last updates of an attempt; None if it made too few.

    Its first update, which compiles, does not count.
    """
    try:
        _, lines = jsonl.ends(attempt.trainer_events, 0, _TAIL_BYTES)
    except OSError:
        return None
    made = [event for event in map(ev.parse_event, lines) if isinstance(event, ev.Updated)]
    times = [update.seconds / update.tokens for update in made[1:] if update.tokens]
    return statistics.median(times) if len(times) >= ENOUGH_UPDATES else None


def loaded(attempt: AttemptDir) -> ev.ModelLoaded | None:
    """What an attempt said when it had its model loaded; None if it never had."""
    try:
        head, rest = jsonl.ends(attempt.trainer_events, _TAIL_BYTES, 0)
    except OSError:
        return None
    events = map(ev.parse_event, head or rest)
    return next((event for event in events if isinstance(event, ev.ModelLoaded)), None)


def exit_of(run: RunDir, attempt: AttemptDir) -> ev.TrainerExited | None:
    """How an attempt's trainer ended by the supervisor's account; None if that says nothing."""
    try:
        lines = backlog.without_memory(run.supervisor_events)
        found = [e for e in map(ev.parse_event, lines) if isinstance(e, ev.TrainerExited)]
    except OSError:
        return None
    return next((e for e in reversed(found) if e.attempt == attempt.number), None)


def in_a_row(run: RunDir, *, automatic: bool = False) -> int:
    """Recoveries since the last attempt that got further than all before it.

    ``automatic`` counts those alone that nobody chose, up to the last one that somebody did.
    """
    attempts = run.attempts()
    reached = [_reached(attempt) for attempt in attempts]
    count = 0
    for place in range(len(attempts) - 1, 0, -1):
        recovery = of(attempts[place])
        if recovery is None or (automatic and not recovery.automatic):
            break
        if reached[place] > max(reached[:place]):
            break
        count += 1
    return count


def _reached(attempt: AttemptDir) -> int:
    last = last_update(attempt)
    return last.update if last is not None else 0
