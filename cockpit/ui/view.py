"""RunView: everything the Run screen draws, frozen at one moment.

The watcher changes its RunState in a worker thread; the screen draws in another. A view is
taken between two polls, so that neither sees the other at work.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from cockpit.core import events as ev
from cockpit.core import guard
from cockpit.core.concerns import Concern
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState
from cockpit.core.samples import MemorySample

_SIZES = ("peak_bytes", "low_bytes", "high_bytes", "footprint_bytes", "budget_bytes")


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of a run or of a plan; what it did not say is None."""

    peak_bytes: int | None = None
    low_bytes: int | None = None
    high_bytes: int | None = None
    footprint_bytes: int | None = None
    budget_bytes: int | None = None
    method: str = ""
    parts: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    unvalidated: bool = False

    @property
    def needed_bytes(self) -> int | None:
        """What a budget is compared with: the whole process, or the peak where that is all."""
        return self.peak_bytes if self.footprint_bytes is None else self.footprint_bytes

    @classmethod
    def from_document(cls, document: dict[str, Any] | None) -> Forecast:
        """Reads forecast.json; a field of the wrong kind is taken as unknown."""
        fields = document or {}
        sizes = {name: fields[name] for name in _SIZES if isinstance(fields.get(name), int)}
        parts = fields.get("parts")
        named = parts.items() if isinstance(parts, dict) else ()
        notes = fields.get("notes")
        return cls(
            **sizes,
            method=str(fields.get("method", "")),
            parts=tuple((str(name), size) for name, size in named if isinstance(size, int)),
            notes=tuple(map(str, notes)) if isinstance(notes, list | tuple) else (),
            unvalidated=fields.get("unvalidated") is True,
        )


@dataclass(frozen=True, slots=True)
class RunView:
    """One run: its name, plan, forecast, state and the end of its log."""

    run: str
    state: RunState
    plan: RunPlan | None = None
    forecast: Forecast = Forecast()
    log: tuple[str, ...] = ()
    # It ended for a reason that another plan can cure.
    recoverable: bool = False
    concerns: tuple[Concern, ...] = ()

    @property
    def share_done(self) -> float | None:
        """0 to 1, or None while the number of updates is not known."""
        if not self.state.updates:
            return None
        return min(1.0, self.state.update / self.state.updates)

    @property
    def elapsed_seconds(self) -> float | None:
        """Until the last event or the end: a run that says nothing shows no moving clock."""
        start = self.state.started_at
        end = self.state.ended_at or self.state.last_event_at
        return None if start is None or end is None else max(0.0, end - start)

    @property
    def can_resume(self) -> bool:
        """Whether it stopped before its end and left a checkpoint to go on from."""
        state = self.state
        unfinished = not state.active and state.status != "completed"
        return unfinished and bool(state.checkpoints)

    @property
    def live_bytes(self) -> int | None:
        """What MLX held after the last update, while the run is alive."""
        last = self.state.last
        return last.active_bytes if last is not None and self.state.trains else None

    @property
    def sample(self) -> MemorySample | None:
        """The machine's last memory sample."""
        return self.state.memory[-1][1] if self.state.memory else None

    @property
    def mark(self) -> tuple[object, ...]:
        """Changes whenever there is something new to draw."""
        state = self.state
        return (
            state.status, state.phase, state.last_event_at, state.update, len(state.losses),
            len(state.memory), len(state.notes), len(state.acknowledged), state.attempt, self.log,
            self.recoverable, self.concerns, len(state.recoveries), state.guard, state.refused,
        )  # fmt: skip

    def frozen(self) -> RunView:
        """A copy that later events do not reach."""
        return replace(self, state=_copied(self.state))


def _copied(state: RunState) -> RunState:
    duplicate = copy.copy(state)
    for name in RunState.__slots__:
        value = getattr(state, name)
        if isinstance(value, list | dict | deque):
            setattr(duplicate, name, value.copy())
    return duplicate


def last_word(view: RunView) -> tuple[str, str, str] | None:
    """Title, message and remedy of how the run ended, if it did not simply complete."""
    state = view.state
    if state.diagnosis is not None and state.status == "failed":
        said = state.diagnosis
        return said.title, "\n".join(said.evidence), said.remedy
    if state.guard is not None and state.guard.level == "stop" and not state.active:
        return guard.told(state.guard)
    if state.end is not None and (state.end.title or state.end.message):
        return state.end.title or "The run ended", state.end.message, state.end.remedy
    return None


def worst_note(view: RunView) -> ev.Note | None:
    """The newest warning or error, else the newest note."""
    notes = view.state.notes
    serious = [note for note in notes if note.level != "info"]
    return serious[-1] if serious else (notes[-1] if notes else None)
