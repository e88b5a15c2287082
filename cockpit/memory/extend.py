"""Recurrent models, which mlx-lm trains step by step: too many operations to trace as they are.

A gated delta rule or a selective scan is a loop over the tokens while it trains, so a step of
2,048 tokens has millions of operations. Three shorter sequences and fewer blocks are traced
instead, and every moment of the step is carried on from there: see ``moments.py``. That makes a
rough estimate, and says so.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import Backend
from cockpit.memory import moments
from cockpit.memory.calibration import run_ahead
from cockpit.memory.capture import capture_with_state
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
_MOST_TRACED = 60_000
# At which weights, adapters and moments are counted.
_SHORTEST = 17
# Factors of the lowest and highest peak: bench/looped.py was 4 % too low to 14 % too high.
BAND = (0.85, 1.3)

_COUNTED = (5, 9)
_growth: dict[tuple[object, ...], float] = {}


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
    longest = max(batches.train[1], (batches.valid or (0, 0))[1])
    if a_token * longest <= MOST_LOOPED or longest <= _MOST_TOKENS[-1] + 1:
        shapes = (batches.train, batches.valid)
        return trace(model, plan, *shapes, where, adapted_layers, batches.micro).forecast
    return _extended(make, plan, batches, where, adapted_layers, a_token)


def _extended(
    make: Make,
    plan: RunPlan,
    batches: Batches,
    where: Trained,
    adapted_layers: int | None,
    a_token: float,
) -> MemoryForecast:
    blocks = make().layers
    trained = len(blocks) if plan.num_layers < 1 else min(plan.num_layers, len(blocks))
    cuts = [len(blocks)] if adapted_layers is not None else _cuts(blocks, trained)
    # As long as the longer of training and validation, which takes less than an update.
    to = max(batches.train[1], (batches.valid or (0, 0))[1])
    tokens = _tokens(a_token * cuts[0] / len(blocks), to - 1)
    lengths = [count + 1 for count in tokens]
    shares, frozen_bytes = [1.0], 0
    if len(cuts) > 1:
        plan = plan.with_changes(num_layers=-1)
        shares = _linear(cuts, trained)
        frozen_bytes = _bytes(blocks[: len(blocks) - trained], where.backend)
    where = replace(where, loads=False, prompt_tokens=0)
    samples = [Sample(make, cut, plan, batches, where, adapted_layers, lengths[-1]) for cut in cuts]

    floor_bytes = _floor_bytes(samples, shares, lengths, to) + frozen_bytes
    # Work runs ahead by so many operations, whose results grow with the tokens.
    peak_bytes = floor_bytes + samples[0].ahead_bytes * to // lengths[-1]
    shorts = [sample.forecast(_SHORTEST) for sample in samples]
    return shorts[0].model_copy(
        update={
            "peak_bytes": peak_bytes,
            "low_bytes": round(peak_bytes * BAND[0]),
            "high_bytes": round(peak_bytes * BAND[1]),
            "method": "analytic",
            "parts": _parts(shorts, shares, frozen_bytes, peak_bytes),
            "floor_bytes": floor_bytes,
            "footprint_bytes": peak_bytes + max(one.outside_bytes for one in shorts),
            "notes": (_note(tokens, cuts, trained), *shorts[0].notes[1:]),
        }
    )


def _floor_bytes(
    samples: Sequence[Sample], shares: Sequence[float], lengths: Sequence[int], to: int
) -> int:
    """The peak with every buffer freed at its last use, at the length ``to``.

    What more blocks take is carried on in a straight line: they keep so much for each token.
    """
    courses = [samples[0].courses(length) for length in lengths]
    of_phases = zip(*courses, strict=True)
    floor_bytes = max(moments.highest(of_one, lengths, to) for of_one in of_phases)
    if len(samples) == 1:
        return floor_bytes
    more = [
        moments.peak(samples[1].courses(length)) - moments.peak(fewer)
        for length, fewer in zip(lengths[:2], courses, strict=False)
    ]
    return floor_bytes + round(shares[1] * _weighed(_linear(lengths[:2], to), more))


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


@dataclass(slots=True)
class Sample:
    """A model with ``blocks`` of its blocks, and its updates on batches of one length or another.

    ``ahead_bytes`` is what run-ahead adds at the ``longest``, once that was asked for.
    """

    make: Make
    blocks: int
    plan: RunPlan
    batches: Batches
    where: Trained
    adapted_layers: int | None
    longest: int
    ahead_bytes: int = 0

    def courses(self, length: int) -> list[moments.Course]:
        """Of the update, or of the micro-batch that ends it, and of the first one: what has to be
        made for that moves the order in which everything is evaluated."""
        backend = self.where.backend
        ahead = self.where.ahead or run_ahead(backend, self.where.chip)
        plan, batch = self._at(length)
        job = job_of(self._model(), plan, batch, None, self.where, self.adapted_layers)
        found = []
        for phase in list(phases_of(job, self.where.flavour))[-2:]:
            evaluation = Evaluation(phase.graph, phase.base_bytes, phase.born, backend)
            found.append(moments.course(evaluation.course()))
            if length == self.longest:
                self.ahead_bytes = evaluation.peak_bytes(ahead) - moments.peak(found[-1:])
        del job, phase, evaluation
        gc.collect()  # the worker leaves it to the end of a question, and a graph is large
        return found

    def forecast(self, length: int) -> MemoryForecast:
        plan, batch = self._at(length)
        return trace(self._model(), plan, batch, None, self.where, self.adapted_layers).forecast

    def _model(self) -> nn.Module:
        return _with_last(self.make(), self.blocks)

    def _at(self, length: int) -> tuple[RunPlan, BatchShape]:
        return self.plan.with_changes(max_seq_length=length), (self.batches.train[0], length)


def _tokens(a_token: float, longest: int) -> tuple[int, int, int]:
    """Three equally spaced lengths, as long as can be traced in time."""
    tokens = (0, 0, 0)
    for most in _MOST_TOKENS:
        last = min(most, longest)
        tokens = (last - 2 * (last // 3), last - last // 3, last)
        if a_token * sum(tokens) <= _MOST_TRACED:
            break
    return tokens


def _with_last(model: nn.Module, count: int) -> nn.Module:
    """``model`` with only its last ``count`` blocks."""
    first = model.layers[0]
    for module in model.modules():
        for value in module.values():
            if isinstance(value, list) and value and value[0] is first:
                del value[:-count]
    return model


def _note(tokens: Sequence[int], cuts: Sequence[int], trained: int) -> str:
    lengths = f"{', '.join(map(str, tokens[:-1]))} and {tokens[-1]}"
    some = " and ".join(map(str, cuts))
    blocks = f" with {some} of {trained} trained blocks" if len(cuts) > 1 else ""
    return f"a loop over the tokens: traced at {lengths} tokens{blocks}, and extended from there"


def _looped_a_token(model: nn.Module) -> float:
    """How many operations of a pass forward are there once more for each token."""
    blocks = model.layers
    kinds = [_kind(block) for block in blocks]
    key = (type(model), *kinds)
    if key not in _growth:
        counts = []
        for tokens in _COUNTED:
            batch = [mx.zeros((1, tokens), mx.int32)]
            graph, _ = capture_with_state([model.state], lambda batch: [model(batch)], batch)
            counts.append(len(graph.ops))
        _growth[key] = (counts[1] - counts[0]) / (_COUNTED[1] - _COUNTED[0])
    return _growth[key]


def _cuts(blocks: list[nn.Module], trained: int) -> list[int]:
    """How many of the last blocks to trace instead of ``trained``: two numbers, whole patterns
    of blocks apart; only ``trained`` where there is no pattern or it is short already."""
    kinds = [_kind(block) for block in blocks[len(blocks) - trained :]]
    for period in range(1, trained // 3 + 1):
        if kinds[period:] == kinds[:-period]:
            rest = trained % period
            fewer = [rest + period, rest + 2 * period]
            return fewer if fewer[1] < trained else [trained]
    return [len(blocks)]


def _kind(block: nn.Module) -> tuple[object, ...]:
    shapes = ((name, tuple(value.shape)) for name, value in tree_flatten(block.parameters()))
    return (type(block), *shapes)


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
