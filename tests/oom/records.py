"""What became of a run that ran out of memory, attempt by attempt, as its own records tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cockpit.core import events as ev
from cockpit.system import backlog, history, jsonl, recoveries
from cockpit.system.run_dir import AttemptDir, RunDir


@dataclass
class Attempt:
    """``ended`` is ``death``, ``guard`` or the trainer's last word; ``updates`` are its own."""

    ended: str
    updates: int
    forecast_bytes: int | None
    alarms: int


@dataclass
class Outcome:
    """One case of ``bench/recovery.py``.

    ``died_after`` is without the guard: updates made, None if it did not die. ``lost_updates`` and
    ``seconds`` are of each recovery, the latter from an end to the first new update after it.
    """

    name: str
    group: str
    room_bytes: int
    base_bytes: int
    died_after: int | None = None
    status: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    rungs: list[str] = field(default_factory=list)
    lost_updates: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    forecast_bytes: int | None = None
    measured_bytes: int | None = None

    @classmethod
    def load(cls, fields: dict[str, Any]) -> Outcome:
        attempts = [Attempt(**attempt) for attempt in fields["attempts"]]
        return cls(**fields | {"attempts": attempts})

    @property
    def recovered(self) -> bool:
        return self.status == "completed"

    @property
    def prevented(self) -> bool:
        """Without the guard it dies after its first update; with it nothing was lost."""
        return bool(self.died_after) and self.attempts[0].ended == "guard" and not self._lost_first

    @property
    def missed(self) -> int:
        """Deaths after an attempt's first update: those that the guard is there for."""
        return sum(a.ended == "death" and a.updates > 0 for a in self.attempts)

    @property
    def in_the_first_update(self) -> list[Attempt]:
        return [a for a in self.attempts if a.ended == "death" and not a.updates]

    @property
    def alarms(self) -> int:
        return sum(attempt.alarms for attempt in self.attempts)

    @property
    def _lost_first(self) -> int:
        return self.lost_updates[0] if self.lost_updates else 0

    def was_foreseen(self, attempt: Attempt) -> bool:
        """Whether its forecast was above what the limit left: known, it is not launched."""
        left = self.room_bytes - self.base_bytes
        return attempt.forecast_bytes is not None and attempt.forecast_bytes > left

    def read(self, run: RunDir) -> None:
        """What the run with its recoveries came to."""
        supervisor = list(map(ev.parse_event, backlog.without_memory(run.supervisor_events)))
        exits = {e.attempt: e for e in supervisor if isinstance(e, ev.TrainerExited)}
        stops = [e.attempt for e in supervisor if isinstance(e, ev.Guarded) and e.level == "stop"]
        for attempt in run.attempts():
            self.attempts.append(_read(attempt, stops.count(attempt.number)))
            if (recovery := recoveries.of(attempt)) is None:
                continue
            self.rungs.append(recovery.rung)
            self.lost_updates.append(recovery.lost_updates)
            if made := updates(attempt):
                self.seconds.append(made[0].t - exits[recovery.after_attempt].t)
        self.forecast_bytes = self.attempts[-1].forecast_bytes
        last = history.last_word(run.attempts()[-1])
        self.measured_bytes = last.peak_bytes if last else None


def died_after(run: RunDir) -> int | None:
    """Updates that a run's only attempt made before it died; None if it did not."""
    (attempt,) = run.attempts()
    return len(updates(attempt)) if _died(history.last_word(attempt)) else None


def _died(last: ev.Ended | None) -> bool:
    """Without a word, or with that of Python's own MemoryError."""
    return last is None or last.status == "failed"


def updates(attempt: AttemptDir) -> list[ev.Updated]:
    tail = jsonl.Tail(attempt.trainer_events)
    found: list[ev.Updated] = []
    while lines := tail.read():
        found += [e for e in map(ev.parse_event, lines) if isinstance(e, ev.Updated)]
    return found


def _read(attempt: AttemptDir, stops: int) -> Attempt:
    last = history.last_word(attempt)
    ended: str = "death" if last is None or _died(last) else last.status
    if ended == "stopped" and stops:
        ended = "guard"
    forecast = (attempt.forecast() or {}).get("peak_bytes")
    return Attempt(ended, len(updates(attempt)), forecast, stops)
