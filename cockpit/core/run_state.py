"""What a run's events add up to. ``apply`` is the only way a RunState changes.

A cockpit, the command line and a test build the same state from the same lines. Liveness is
not in the events: ``with_liveness`` adds what only the machine knows.

A state is of bounded size however long the run: of its curves the newest points are all there
and the older ones are told by their extremes (``core.series``), so the best validation always
is; of what else there may be many, the newest are kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from cockpit.core import events as ev
from cockpit.core import evidence, series
from cockpit.core.samples import MemorySample

# A run is recovering while its supervisor looks for a way on by itself, with no trainer.
Status = Literal[
    "starting", "running", "paused", "stopping", "recovering", "stopped", "completed", "failed"
]
ACTIVE: frozenset[str] = frozenset({"starting", "running", "paused", "stopping", "recovering"})

RECENT_SAMPLES = 600
RECENT_NOTES = 200
RECENT_SPEEDS = 400
RECENT_CHECKPOINTS = 1000
RECENT_ANSWERS = 1000
# Sampled texts: the first ones show where the run came from, the newest where it is.
FIRST_TEXTS = 50
RECENT_TEXTS = 200


@dataclass(slots=True)
class RunState:
    """Everything a screen or a summary shows of one run. Mutated by ``apply`` alone."""

    status: Status = "starting"
    phase: str = "starting"
    attempt: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    last_event_at: float | None = None

    supervisor: tuple[int, float] | None = None
    trainer: tuple[int, float] | None = None
    keep_awake: str | None = None
    device: str | None = None
    dtype: str | None = None
    blas: str | None = None
    loaded: ev.ModelLoaded | None = None

    update: int = 0
    updates: int | None = None
    last: ev.Updated | None = None
    losses: list[tuple[int, float]] = field(default_factory=list)
    learning_rates: list[tuple[int, float]] = field(default_factory=list)
    grad_norms: list[tuple[int, float]] = field(default_factory=list)
    # Tokens per second of the newest updates.
    speeds: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=RECENT_SPEEDS))
    validations: list[ev.Validated] = field(default_factory=list)
    test: ev.Tested | None = None
    checkpoints: list[ev.Checkpointed] = field(default_factory=list)
    samples: list[ev.Sampled] = field(default_factory=list)
    recent_speeds: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=20))
    peak_bytes: int | None = None

    memory: deque[tuple[float, MemorySample]] = field(
        default_factory=lambda: deque(maxlen=RECENT_SAMPLES)
    )
    notes: deque[ev.Note] = field(default_factory=lambda: deque(maxlen=RECENT_NOTES))
    acknowledged: dict[str, ev.Acknowledged] = field(default_factory=dict)
    end: ev.Ended | None = None
    diagnosis: ev.Diagnosis | None = None
    # Of this attempt: what the guard saw, and why no way on was taken by itself.
    guard: ev.Guarded | None = None
    refused: ev.RecoveryRefused | None = None
    # Of the whole run, oldest first.
    recoveries: list[ev.Recovered] = field(default_factory=list)

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    @property
    def trains(self) -> bool:
        """Whether a trainer is there, or on its way, to obey and to hold memory."""
        return self.active and self.status != "recovering"

    @property
    def best_validation(self) -> ev.Validated | None:
        return min(self.validations, key=lambda v: v.loss, default=None)

    @property
    def tokens_per_second(self) -> float | None:
        """Over the last updates, validation and checkpoint pauses left out."""
        seconds = sum(s for s, _ in self.recent_speeds)
        return sum(tokens for _, tokens in self.recent_speeds) / seconds if seconds else None

    @property
    def eta_seconds(self) -> float | None:
        """Seconds of training left at the recent pace; None until an update was timed."""
        if not self.recent_speeds or self.updates is None or not self.trains:
            return None
        pace = sum(s for s, _ in self.recent_speeds) / len(self.recent_speeds)
        return pace * max(0, self.updates - self.update)


def apply(state: RunState, event: ev.Event) -> RunState:
    """The state after ``event``; ``state`` itself is updated and returned."""
    state.last_event_at = event.t
    match event:
        case ev.Updated():
            _apply_update(state, event)
        case ev.MemorySampled():
            state.memory.append((event.t, event.sample))
        case ev.Started() | ev.TrainerStarted() | ev.SupervisorStarted():
            _apply_start(state, event)
        case ev.PhaseChanged():
            state.phase = event.phase
            if state.status == "starting" and event.phase in ("training", "validating"):
                state.status = "running"
        case ev.Paused() | ev.Resumed() | ev.Acknowledged():
            _apply_control(state, event)
        case ev.Ended() | ev.TrainerExited() | ev.SupervisorEnded():
            _apply_end(state, event)
        case ev.Guarded() | ev.Recovered() | ev.RecoveryRefused():
            _apply_recovery(state, event)
        case _:
            _keep(state, event)
    return state


def _keep(
    state: RunState,
    event: ev.ModelLoaded | ev.Validated | ev.Tested | ev.Checkpointed | ev.Sampled | ev.Note,
) -> None:
    match event:
        case ev.ModelLoaded():
            state.loaded = event
        case ev.Validated():
            state.validations.append(event)
            _thin_validations(state)
        case ev.Tested():
            state.test = event
        case ev.Checkpointed():
            state.checkpoints.append(event)
            _drop_old(state.checkpoints, RECENT_CHECKPOINTS)
        case ev.Sampled():
            state.samples.append(event)
            _drop_old(state.samples, RECENT_TEXTS, FIRST_TEXTS)
        case ev.Note():
            state.notes.append(event)


def _apply_update(state: RunState, event: ev.Updated) -> None:
    state.update = event.update
    state.last = event
    state.losses.append((event.update, event.loss))
    state.learning_rates.append((event.update, event.learning_rate))
    if event.grad_norm is not None:
        state.grad_norms.append((event.update, event.grad_norm))
    _thin_curves(state)
    state.recent_speeds.append((event.seconds, event.tokens))
    state.speeds.append((event.update, event.tokens_per_second))
    state.peak_bytes = max(state.peak_bytes or 0, event.peak_bytes)
    if state.status == "starting":
        state.status = "running"


def _thin_curves(state: RunState) -> None:
    """The learning rates stay those of the updates whose losses are kept."""
    if len(state.losses) >= series.MOST_POINTS:
        keep = series.kept(state.losses, _update_of_point, _value_of_point)
        state.losses = [state.losses[i] for i in keep]
        state.learning_rates = [state.learning_rates[i] for i in keep]
    if len(state.grad_norms) >= series.MOST_POINTS:
        keep = series.kept(state.grad_norms, _update_of_point, _value_of_point)
        state.grad_norms = [state.grad_norms[i] for i in keep]


def _update_of_point(point: tuple[int, float]) -> int:
    return point[0]


def _value_of_point(point: tuple[int, float]) -> float:
    return point[1]


def _thin_validations(state: RunState) -> None:
    found = state.validations
    if len(found) >= series.MOST_POINTS:
        keep = series.kept(found, lambda v: v.update, lambda v: v.loss)
        state.validations = [found[i] for i in keep]


def _drop_old(records: list[Any], newest: int, first: int = 0) -> None:
    """In steps of ``newest``, so that it costs nothing a record."""
    if len(records) >= first + 2 * newest:
        del records[first:-newest]


def _apply_start(
    state: RunState, event: ev.Started | ev.TrainerStarted | ev.SupervisorStarted
) -> None:
    identity = (event.pid, event.pid_created)
    if state.started_at is None:
        state.started_at = event.t
    if isinstance(event, ev.SupervisorStarted):
        state.supervisor = identity
        state.keep_awake = event.keep_awake
        return
    # Whoever took it for dead was wrong: a trainer that says it starts is alive.
    revived = isinstance(event, ev.Started) and not state.trains
    if event.attempt != state.attempt or revived:
        begin_attempt(state, event.attempt)
    state.trainer = identity
    if isinstance(event, ev.Started):
        state.device, state.dtype, state.blas = event.device, event.dtype, event.blas
        state.update, state.updates = event.update, event.updates
        _forget_after(state, event.update)


def begin_attempt(state: RunState, attempt: int) -> None:
    """What the attempt before ended with is over; its curve stays."""
    state.attempt = attempt
    state.status, state.phase = "starting", "starting"
    state.trainer = state.end = state.diagnosis = state.ended_at = None
    state.guard = state.refused = None
    state.recent_speeds = deque(maxlen=state.recent_speeds.maxlen)
    state.speeds.clear()


def _forget_after(state: RunState, update: int) -> None:
    """A new attempt starts from a checkpoint: what was lost after it is not the run's curve."""
    for curve in (state.losses, state.learning_rates, state.grad_norms):
        while curve and curve[-1][0] > update:
            curve.pop()
    for records in (state.validations, state.checkpoints, state.samples):
        while records and records[-1].update > update:
            records.pop()
    state.test = None
    if state.last is not None and state.last.update > update:
        state.last = None


def _apply_control(state: RunState, event: ev.Paused | ev.Resumed | ev.Acknowledged) -> None:
    if isinstance(event, ev.Paused | ev.Resumed):
        if state.status != "stopping":
            state.status = "paused" if isinstance(event, ev.Paused) else "running"
    else:
        state.acknowledged[event.id] = event
        if len(state.acknowledged) >= 2 * RECENT_ANSWERS:
            state.acknowledged = dict(list(state.acknowledged.items())[-RECENT_ANSWERS:])
        if event.accepted and event.action == "stop":
            state.status = "stopping"
        if event.updates is not None:
            state.updates = event.updates


def _apply_end(state: RunState, event: ev.Ended | ev.TrainerExited | ev.SupervisorEnded) -> None:
    if isinstance(event, ev.TrainerExited) and event.attempt < state.attempt:
        return
    if isinstance(event, ev.TrainerExited) and event.attempt > state.attempt:
        # It could not even be started, so its exit is the first that is heard of it.
        begin_attempt(state, event.attempt)
    if isinstance(event, ev.Ended):
        state.end = event
        state.status = event.status
        state.update = event.update
        state.ended_at = event.t
        state.peak_bytes = max(state.peak_bytes or 0, event.peak_bytes or 0) or None
    elif isinstance(event, ev.TrainerExited) and state.end is None:
        state.status = "failed"
        state.ended_at = event.t
        if event.diagnosis is not None:
            recent = list(state.memory)[-2:]
            state.diagnosis = evidence.dated(event.diagnosis, recent, event.t)


def _apply_recovery(state: RunState, event: ev.Guarded | ev.Recovered | ev.RecoveryRefused) -> None:
    match event:
        case ev.Guarded():
            # A later warning does not undo that it was stopped.
            if state.guard is None or state.guard.level != "stop":
                state.guard = event
        case ev.RecoveryRefused():
            state.refused = event
        case ev.Recovered():
            others = [known for known in state.recoveries if known.attempt != event.attempt]
            state.recoveries = [*others, event]


def with_recovery(state: RunState, recovering: bool) -> RunState:
    """A state whose attempt ended: as it ended, or as one that is being recovered from."""
    if recovering:
        state.status = "recovering"
    elif state.status == "recovering":
        state.status = state.end.status if state.end is not None else "failed"
    return state


DIED = ev.Diagnosis(
    kind="unknown",
    title="The trainer is gone and left no last word",
    remedy="Its last complete checkpoint is intact.",
)


def with_liveness(state: RunState, *, trainer_alive: bool, supervisor_alive: bool) -> RunState:
    """Corrects a state whose processes are dead: what is not running never shows as running."""
    if state.active and not trainer_alive and not supervisor_alive:
        state.status = "failed"
        state.ended_at = state.last_event_at
        state.diagnosis = state.diagnosis or DIED
    return state
