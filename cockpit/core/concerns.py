"""What looks wrong with a run, in plain words, with its evidence and what to do about it.

Pure rules over a RunState. They are quiet on a healthy run and on a young one. The rules are
those of the field notes (halve the learning rate after a spike, raise it by half on a plateau);
``THRESHOLDS`` has every figure of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Literal

from cockpit.core.run_state import RunState

Kind = Literal["spike", "plateau", "overfitting", "growth", "slow"]
Act = Literal["learning_rate", "stop", "explain"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """``*_updates`` are numbers of updates, ``*_share`` are ratios."""

    # A spike: the newest losses against the ones before, in robust standard deviations.
    recent_updates: int = 5
    before_updates: int = 40
    spike_deviations: float = 6.0
    spike_share: float = 1.3
    # A plateau: two windows next to each other whose means hardly differ, early in the run.
    plateau_updates: int = 150
    plateau_share: float = 0.01
    plateau_until: float = 0.7
    # Overfitting: validations since the best, and how much worse the newest is.
    worse_validations: int = 3
    worse_share: float = 1.02
    # Growth of the trainer's footprint between the halves of what was watched.
    growth_seconds: float = 600.0
    growth_share: float = 1.10
    growth_bytes: int = 300_000_000
    # Speed: newest updates against the run's usual.
    speed_updates: int = 20
    slow_share: float = 0.6
    swapping_bytes_per_second: float = 5_000_000.0


THRESHOLDS = Thresholds()
HALVE, RAISE = 0.5, 1.5
# A median absolute deviation times this is a standard deviation, of normal noise.
_TO_DEVIATION = 1.4826


@dataclass(frozen=True, slots=True)
class Concern:
    """``act`` is what the interface offers; ``value`` the learning rate it would set."""

    kind: Kind
    title: str
    evidence: str
    remedy: str
    act: Act
    value: float | None = None


def concerns(state: RunState, limits: Thresholds = THRESHOLDS) -> tuple[Concern, ...]:
    """What is off in a run that trains, the most urgent first; nothing in any other state."""
    if state.status != "running":
        return ()
    rules = (_spike, _growth, _overfitting, _slow, _plateau)
    return tuple(found for rule in rules for found in rule(state, limits))


def _spike(state: RunState, limits: Thresholds) -> Iterator[Concern]:
    points = state.losses
    recent = [loss for _, loss in points[-limits.recent_updates :]]
    before = [loss for _, loss in points[: -limits.recent_updates]][-limits.before_updates :]
    if len(before) < limits.before_updates or not _finite(before):
        return
    usual = median(before)
    noise = _TO_DEVIATION * median(abs(loss - usual) for loss in before)
    now = median(recent)
    if now <= usual * limits.spike_share or now <= usual + limits.spike_deviations * noise:
        return
    rate = state.last.learning_rate * HALVE if state.last else None
    yield Concern(
        "spike",
        "The loss spiked",
        f"{now:.3f} over the last {len(recent)} updates, {usual:.3f} before",
        "Halve the learning rate.",
        "learning_rate",
        rate,
    )


def _plateau(state: RunState, limits: Thresholds) -> Iterator[Concern]:
    size = limits.plateau_updates
    points = state.losses[-2 * size :]
    done = state.update / state.updates if state.updates else 1.0
    consecutive = bool(points) and points[-1][0] - points[0][0] < 2 * size
    if len(points) < 2 * size or not consecutive or done > limits.plateau_until:
        return
    losses = [loss for _, loss in points]
    if not _finite(losses):
        return
    before, now = losses[:size], losses[size:]
    fall = fmean(before) - fmean(now)
    error = math.sqrt((_variance(before) + _variance(now)) / size)
    if fall + error > limits.plateau_share * fmean(before):
        return  # it falls, or the noise hides whether it does
    rate = state.last.learning_rate * RAISE if state.last else None
    yield Concern(
        "plateau",
        "The loss no longer falls",
        f"{fmean(now):.3f} over the last {size} updates, {fmean(before):.3f} over those before",
        "Raise the learning rate by half, or stop here if it is low enough.",
        "learning_rate",
        rate,
    )


def _overfitting(state: RunState, limits: Thresholds) -> Iterator[Concern]:
    best = state.best_validation
    if best is None or not math.isfinite(best.loss):
        return
    after = [v for v in state.validations if v.update > best.update]
    if len(after) < limits.worse_validations:
        return
    newest = after[-1]
    if any(v.loss <= best.loss * limits.worse_share for v in after[-limits.worse_validations :]):
        return
    then, now = _train_loss_at(state, best.update), _train_loss_at(state, newest.update)
    if then is None or now is None or now >= then:
        return
    yield Concern(
        "overfitting",
        "It learns the examples by heart",
        f"validation {best.loss:.3f} at update {best.update:,}, now {newest.loss:.3f}; training "
        f"{then:.3f}, now {now:.3f}",
        f"Stop: the best checkpoint is that of update {best.update:,}, kept as best.",
        "stop",
    )


def _growth(state: RunState, limits: Thresholds) -> Iterator[Concern]:
    known = [(t, s.footprint_bytes) for t, s in state.memory if s.footprint_bytes]
    if not known or known[-1][0] - known[0][0] < limits.growth_seconds:
        return
    quarters = _pieces(known, 4)
    if len(quarters) < 4:
        return
    peaks = [max(piece) for piece in quarters]
    steady = all(later > earlier for earlier, later in pairwise(peaks))
    grown = peaks[-1] - peaks[0]
    if not steady or grown < limits.growth_bytes or peaks[-1] < limits.growth_share * peaks[0]:
        return
    minutes = (known[-1][0] - known[0][0]) / 60
    yield Concern(
        "growth",
        "The trainer takes more and more memory",
        f"{peaks[0] / 1e9:.2f} GB, then {peaks[-1] / 1e9:.2f} GB within {minutes:.0f} minutes",
        "Longer examples can do that; if it goes on, suspect a leak: stop and resume.",
        "stop",
    )


def _slow(state: RunState, limits: Thresholds) -> Iterator[Concern]:
    size = limits.speed_updates
    speeds = [speed for _, speed in state.speeds]
    if len(speeds) < 3 * size:
        return
    usual, now = median(speeds[:-size]), median(speeds[-size:])
    if now >= limits.slow_share * usual:
        return
    swapped = [s for _, s in list(state.memory)[-30:]]
    rates = [
        (s.swap_in_bytes_per_second or 0) + (s.swap_out_bytes_per_second or 0) for s in swapped
    ]
    swapping = bool(rates) and median(rates) > limits.swapping_bytes_per_second
    why = (
        f"the machine swaps, {median(rates) / 1e6:.0f} MB/s"
        if swapping
        else "the machine does not swap: it may be hot, or busy with something else"
    )
    remedy = (
        "Close other programs, or stop and go on with less memory."
        if swapping
        else "Look at what else runs, at the fans and at the power cable."
    )
    yield Concern(
        "slow",
        "It has become slow",
        f"{now:,.0f} tokens/s, usually {usual:,.0f}; {why}",
        remedy,
        "explain",
    )


def _train_loss_at(state: RunState, update: int) -> float | None:
    """The median loss of the updates just before ``update``."""
    near = [loss for at, loss in state.losses if update - 20 < at <= update]
    # Before any update: the first loss is of the same weights.
    return median(near or [loss for _, loss in state.losses[:1]]) if state.losses else None


def _pieces(points: Sequence[tuple[float, int]], count: int) -> list[list[int]]:
    """Values in ``count`` spans of equal time; those without any are left out."""
    start, end = points[0][0], points[-1][0]
    pieces: list[list[int]] = [[] for _ in range(count)]
    for t, value in points:
        pieces[min(count - 1, int((t - start) / (end - start) * count))].append(value)
    return [piece for piece in pieces if piece]


def _variance(values: Sequence[float]) -> float:
    middle = fmean(values)
    return fmean((value - middle) ** 2 for value in values)


def _finite(values: Sequence[float]) -> bool:
    return all(map(math.isfinite, values))
