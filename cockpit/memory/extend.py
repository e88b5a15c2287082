"""Recurrent models, which mlx-lm trains step by step: too many operations to trace as they are.

A gated delta rule or a selective scan is a loop over the tokens while it trains, so a step of
2,048 tokens has millions of operations. Three shorter sequences and fewer blocks are traced
instead, and every moment of the step is carried on from there: see ``moments.py``. That makes a
rough estimate, and says so.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import Backend
from cockpit.memory import fewer_blocks, moments
from cockpit.memory.capture import capture_with_state
from cockpit.memory.fewer_blocks import Cut
from cockpit.memory.lengths import Batches, BatchShape
from cockpit.memory.short_sample import SHORTEST, Make, Sample
from cockpit.memory.trace import Trained, trace

# Operations in the forward loops of all blocks up to which the whole is traced: a few seconds.
MOST_LOOPED = 5_000
# The most tokens to trace, and a third and two thirds of them: the first with which the loops have
# no more operations than that, some ten seconds. Below 64 the square in how memory grows is hardly
# there yet.
_MOST_TOKENS = (192, 96, 48)
_MOST_TRACED = 90_000
# Factors of the lowest and highest peak: bench/looped.py was 4 % too low to 14 % too high.
BAND = (0.85, 1.3)

_COUNTED = (5, 9)
_growth: dict[tuple[object, ...], float] = {}
_known: dict[tuple[object, ...], Found] = {}
_REMEMBERED = 64


def forecast(
    make: Make,
    plan: RunPlan,
    batches: Batches,
    where: Trained,
    adapted_layers: int | None = None,
) -> MemoryForecast:
    """The traced forecast for the model that ``make`` builds anew, extended if it must be."""
    model = make()
    a_token = _looped_a_token(model)
    train, valid = batches.train, batches.valid
    if all(_is_short(a_token, shape) for shape in (train, valid or train)):
        return trace(model, plan, train, valid, where, adapted_layers, batches.micro).forecast
    found = []
    short = replace(where, loads=False, prompt_tokens=0)
    if valid is not None and (valid[0] > train[0] or valid[1] > train[1]):
        # On smaller batches it takes less than an update.
        of_valid = _Extension(make, plan, valid, short, adapted_layers, validates=True)
        found.append(of_valid.forecast(model, a_token))
    if _is_short(a_token, train):
        update = trace(model, plan, train, None, where, adapted_layers, batches.micro).forecast
    else:
        of_train = _Extension(make, plan, train, short, adapted_layers)
        update = of_train.forecast(model, a_token)
    return _highest([update, *found])


def _is_short(a_token: float, shape: BatchShape) -> bool:
    return a_token * shape[1] <= MOST_LOOPED or shape[1] <= _MOST_TOKENS[-1] + 1


def _highest(found: Sequence[MemoryForecast]) -> MemoryForecast:
    """Of the phases of one run; the band is that of all of them."""
    highest = max(found, key=lambda one: one.peak_bytes)
    return highest.model_copy(
        update={
            "low_bytes": max(one.low_bytes for one in found),
            "high_bytes": max(one.high_bytes for one in found),
            "footprint_bytes": max(one.needed_bytes for one in found),
            "method": found[-1].method,
        }
    )


@dataclass(frozen=True, slots=True)
class _Extension:
    """One phase of a run on batches that are too long to trace: its updates, or its validation."""

    make: Make
    plan: RunPlan
    batch: BatchShape
    where: Trained
    adapted_layers: int | None
    validates: bool = False

    def forecast(self, model: nn.Module, a_token: float) -> MemoryForecast:
        blocks, plan, to = model.layers, self.plan, self.batch[1]
        trained = len(blocks) if plan.num_layers < 1 else min(plan.num_layers, len(blocks))
        cuts, kept = fewer_blocks.cuts(blocks, trained)
        if self.adapted_layers is not None:
            cuts, kept = [Cut(len(blocks), plan.num_layers)], len(blocks)
        tokens = _tokens(a_token * cuts[0].kept / len(blocks), to - 1)
        samples = [self._sample(cut) for cut in cuts]
        found = _found(samples, _kind(model), [count + 1 for count in tokens])
        frozen_bytes = _bytes(blocks[: len(blocks) - kept], self.where.backend)
        note = _note(tokens, cuts, trained)
        extended = _extended(found, cuts, trained, to, frozen_bytes, note)
        return _as_validation(extended, self.batch) if self.validates else extended

    def _sample(self, cut: Cut) -> Sample:
        rows = self.batch[0]
        return Sample(
            self.make, cut, self.plan, rows, self.where, self.adapted_layers, self.validates
        )


def _as_validation(found: MemoryForecast, batch: BatchShape) -> MemoryForecast:
    """It has no gradients, unlike the short updates that tell the parts."""
    parts = found.parts | {"gradients": 0}
    parts["activations"] += found.parts["gradients"]
    where = f"highest in the validation, with {batch[0]} x {batch[1] - 1} tokens"
    return found.model_copy(
        update={
            "parts": parts,
            # How far a validation runs ahead is partly up to chance.
            "low_bytes": round((found.floor_bytes or found.peak_bytes) * BAND[0]),
            "peak_phase": "validation",
            "notes": (where, *found.notes),
        }
    )


def _extended(
    found: Found, cuts: Sequence[Cut], trained: int, to: int, frozen_bytes: int, note: str
) -> MemoryForecast:
    """What was ``found``, carried on to batches of the length ``to`` and to all trained blocks."""
    lengths = found.lengths
    shares = [1.0] if len(cuts) == 1 else _linear([cut.trained for cut in cuts], trained)
    floor_bytes = max(moments.highest(of_one, lengths, to) for of_one in found.moments)
    floor_bytes += frozen_bytes
    if len(cuts) > 1:
        # More blocks keep so much more for each token.
        more_bytes = _weighed(_linear(lengths[:2], to), found.more_bytes)
        floor_bytes += round(shares[1] * more_bytes)
    # Work runs ahead by so many operations, whose results grow with the tokens.
    peak_bytes = floor_bytes + found.ahead_bytes * to // lengths[-1]
    first = found.shorts[0]
    return first.model_copy(
        update={
            "peak_bytes": peak_bytes,
            "low_bytes": round(peak_bytes * BAND[0]),
            "high_bytes": round(peak_bytes * BAND[1]),
            "method": "analytic",
            "parts": _parts(found.shorts, shares, frozen_bytes, peak_bytes),
            "floor_bytes": floor_bytes,
            "footprint_bytes": peak_bytes + max(one.outside_bytes for one in found.shorts),
            "notes": (note, *first.notes[1:]),
        }
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What sequences of three short ``lengths`` tell: of the fewer blocks the ``moments`` of each
    phase and what run-ahead adds at the longest, what more blocks take at the two shorter ones, and
    the forecasts of both at the shortest of all, for what does not depend on the tokens."""

    lengths: Sequence[int]
    moments: tuple[list[moments.Levels], ...]
    ahead_bytes: int
    more_bytes: tuple[int, ...]
    shorts: tuple[MemoryForecast, ...]


def _found(samples: Sequence[Sample], model: Hashable, lengths: Sequence[int]) -> Found:
    """Remembered: a search for what fits asks for many lengths and numbers of layers."""
    key = (model, *(sample.key for sample in samples), *lengths)
    if key not in _known:
        if len(_known) >= _REMEMBERED:
            _known.clear()
        _known[key] = _find(samples, lengths)
    return _known[key]


def _find(samples: Sequence[Sample], lengths: Sequence[int]) -> Found:
    fewer = samples[0]
    courses = [fewer.courses(length)[0] for length in lengths[:-1]]
    longest, ahead_bytes = fewer.courses(lengths[-1], run_ahead_too=True)
    more_bytes = tuple(
        moments.peak(sample.courses(length)[0]) - moments.peak(found)
        for sample in samples[1:]
        for length, found in zip(lengths, courses, strict=False)
    )
    of_phases = zip(*courses, longest, strict=True)
    return Found(
        lengths,
        tuple(moments.moments(of_phase) for of_phase in of_phases),
        ahead_bytes,
        more_bytes,
        tuple(sample.forecast(SHORTEST) for sample in samples),
    )


def _parts(
    shorts: Sequence[MemoryForecast], shares: Sequence[float], frozen_bytes: int, peak_bytes: int
) -> dict[str, int]:
    parts = {
        name: _weighed(shares, [one.parts[name] for one in shorts]) for name in shorts[0].parts
    }
    # What the tokens take is not told apart.
    parts |= {"attention": 0, "logits_and_loss": 0, "run_ahead": 0, "activations": 0}
    parts["weights"] += frozen_bytes
    parts["activations"] = peak_bytes - sum(parts.values())
    return parts


def _tokens(a_token: float, longest: int) -> tuple[int, int, int]:
    """Three equally spaced lengths, as long as can be traced in time."""
    tokens = (0, 0, 0)
    for most in _MOST_TOKENS:
        last = min(most, longest)
        tokens = (last - 2 * (last // 3), last - last // 3, last)
        if a_token * sum(tokens) <= _MOST_TRACED:
            break
    return tokens


def _note(tokens: Sequence[int], cuts: Sequence[Cut], trained: int) -> str:
    lengths = f"{', '.join(map(str, tokens[:-1]))} and {tokens[-1]}"
    some = " and ".join(str(cut.trained) for cut in cuts)
    blocks = f" with {some} of {trained} trained blocks" if len(cuts) > 1 else ""
    return f"a loop over the tokens: traced at {lengths} tokens{blocks}, and extended from there"


def _looped_a_token(model: nn.Module) -> float:
    """How many operations of a pass forward are there once more for each token."""
    blocks = model.layers
    kinds = [fewer_blocks.kind(block) for block in blocks]
    key = (type(model), *kinds)
    if key not in _growth:
        counts = []
        for tokens in _COUNTED:
            batch = [mx.zeros((1, tokens), mx.int32)]
            graph, _ = capture_with_state([model.state], lambda batch: [model(batch)], batch)
            counts.append(len(graph.ops))
        _growth[key] = (counts[1] - counts[0]) / (_COUNTED[1] - _COUNTED[0])
    return _growth[key]


def _kind(model: nn.Module) -> Hashable:
    """What tells a model from another in the same place, as one of the same shape may be."""
    types = tuple(value.dtype for _, value in tree_flatten(model.parameters()))
    return fewer_blocks.kind(model), types, repr(getattr(model, "args", None))


def _bytes(blocks: Sequence[nn.Module], backend: Backend) -> int:
    """Of the weights as they are trained, which on a Linux CPU is in 32 bits."""
    casts = backend == "cpu" and sys.platform == "linux"
    arrays = [value for block in blocks for _, value in tree_flatten(block.parameters())]
    widened = [casts and mx.issubdtype(value.dtype, mx.floating) for value in arrays]
    return sum(
        value.size * 4 if wide else value.nbytes
        for value, wide in zip(arrays, widened, strict=True)
    )


def _linear(at: Sequence[int], to: int) -> list[float]:
    share = (to - at[0]) / (at[1] - at[0])
    return [1 - share, share]


def _weighed(weights: Sequence[float], sizes: Sequence[int]) -> int:
    return max(0, round(sum(w * size for w, size in zip(weights, sizes, strict=True))))
