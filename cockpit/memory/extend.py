"""Recurrent models, which mlx-lm trains step by step: too many operations to trace as they are.

A gated delta rule or a selective scan is a loop over the tokens while it trains, so a step of
2,048 tokens has millions of operations. Three shorter sequences and fewer blocks are traced
instead, and every moment of the step is carried on from there: see ``moments.py``. That makes a
rough estimate, and says so.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import Backend
from cockpit.memory import fewer_blocks, moments
from cockpit.memory.calibration import run_ahead
from cockpit.memory.capture import capture_with_state
from cockpit.memory.fewer_blocks import Cut
from cockpit.memory.lengths import Batches, BatchShape
from cockpit.memory.replay import Evaluation
from cockpit.memory.trace import Trained, job_of, phases_of, trace

Make = Callable[[], nn.Module]

# Operations in the forward loops of all blocks up to which the whole is traced: a few seconds.
MOST_LOOPED = 5_000
# The most tokens to trace, and a third and two thirds of them: the first with which the loops have
# no more operations than that, some ten seconds. Below 64 the square in how memory grows is hardly
# there yet.
_MOST_TOKENS = (192, 96, 48)
_MOST_TRACED = 90_000
# At which weights, adapters and moments are counted.
_SHORTEST = 17
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
    # As long as the longer of training and validation, which takes less than an update.
    longest = max(batches.train[1], (batches.valid or (0, 0))[1])
    if a_token * longest <= MOST_LOOPED or longest <= _MOST_TOKENS[-1] + 1:
        shapes = (batches.train, batches.valid)
        return trace(model, plan, *shapes, where, adapted_layers, batches.micro).forecast
    blocks = model.layers
    trained = len(blocks) if plan.num_layers < 1 else min(plan.num_layers, len(blocks))
    cuts, kept = fewer_blocks.cuts(blocks, trained)
    if adapted_layers is not None:
        cuts, kept = [Cut(len(blocks), plan.num_layers)], len(blocks)
    tokens = _tokens(a_token * cuts[0].kept / len(blocks), longest - 1)
    short = replace(where, loads=False, prompt_tokens=0)
    samples = [Sample(make, cut, plan, batches, short, adapted_layers) for cut in cuts]
    found = _found(samples, fewer_blocks.kind(model), [count + 1 for count in tokens])
    frozen_bytes = _bytes(blocks[: len(blocks) - kept], where.backend)
    note = _note(tokens, cuts, trained)
    return _extended(found, cuts, trained, longest, frozen_bytes, note)


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
        tuple(sample.forecast(_SHORTEST) for sample in samples),
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


@dataclass(frozen=True, slots=True)
class Sample:
    """A model with the blocks of ``cut``, and its updates on batches of one length or another."""

    make: Make
    cut: Cut
    plan: RunPlan
    batches: Batches
    where: Trained
    adapted_layers: int | None

    @property
    def key(self) -> tuple[object, ...]:
        """The same for plans of one model that differ in their length alone."""
        plan, batch = self._at(_SHORTEST)
        return plan.model_dump_json(), batch, self.cut, self.adapted_layers, self.where

    def courses(self, length: int, run_ahead_too: bool = False) -> tuple[list[moments.Course], int]:
        """Of the update, or of the micro-batch that ends it, and of the first one: what has to be
        made for that moves the order in which everything is evaluated. And, if asked for, what
        run-ahead adds."""
        backend = self.where.backend
        ahead = self.where.ahead or run_ahead(backend, self.where.chip)
        plan, batch = self._at(length)
        job = job_of(self._model(), plan, batch, None, self.where, self.adapted_layers)
        found, ahead_bytes = [], 0
        for phase in list(phases_of(job, self.where.flavour))[-2:]:
            evaluation = Evaluation(phase.graph, phase.base_bytes, phase.born, backend)
            found.append(moments.course(evaluation.course()))
            if run_ahead_too:
                ahead_bytes = evaluation.peak_bytes(ahead) - moments.peak(found[-1:])
        del job, phase, evaluation
        gc.collect()  # the worker leaves it to the end of a question, and a graph is large
        return found, ahead_bytes

    def forecast(self, length: int) -> MemoryForecast:
        plan, batch = self._at(length)
        return trace(self._model(), plan, batch, None, self.where, self.adapted_layers).forecast

    def _model(self) -> nn.Module:
        return fewer_blocks.with_last(self.make(), self.cut.kept)

    def _at(self, length: int) -> tuple[RunPlan, BatchShape]:
        asked = self.plan.with_changes(max_seq_length=length, num_layers=self.cut.trained)
        return asked, (self.batches.train[0], length)


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
