"""Recurrent models, which mlx-lm trains step by step: too many operations to trace as they are.

A gated delta rule or a selective scan is a loop over the tokens while it trains, so a step of
2,048 tokens has millions of operations. The states it keeps are so many a token and a block, so
two shorter sequences and fewer blocks are traced, and the peak is extended from there in straight
lines. That makes a rough estimate, and says so: what attention takes grows faster, and a long
sequence may peak at another moment than a short one, so it may be too low.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import Backend
from cockpit.memory.capture import capture_with_state
from cockpit.memory.lengths import Batches
from cockpit.memory.trace import Trained, trace

Make = Callable[[], nn.Module]

# Operations in the forward loops of all blocks up to which the whole is traced: a few seconds.
MOST_LOOPED = 5_000
# As many in all that is traced in its place: some ten seconds.
_MOST_TRACED = 30_000
# Lengths are multiples of it, as those of real batches are: what is donated and what is reused
# depends on how sizes divide.
_STEP = 16
# Factors of the lowest and highest peak. Against traces of the whole, small models were 23 % too
# low to 1 % too high.
BAND = (0.85, 1.4)

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
    if a_token * longest <= MOST_LOOPED or longest <= 4 * _STEP:
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
    # As long as the longer of training and validation, which then is never forecast too low.
    length = max(batches.train[1], (batches.valid or (0, 0))[1])
    lengths = _lengths(length, a_token * sum(cuts) / len(blocks))
    short = replace(where, loads=False, prompt_tokens=0)

    def sample(tokens: int, cut: int) -> MemoryForecast:
        model = _with_last(make(), cut)
        asked = plan.with_changes(max_seq_length=tokens)
        if len(cuts) > 1:
            asked = asked.with_changes(num_layers=-1)
        valid = (batches.valid[0], tokens) if batches.valid else None
        found = trace(model, asked, (batches.train[0], tokens), valid, short, adapted_layers)
        return found.forecast

    found = [[sample(tokens, cut) for tokens in lengths] for cut in cuts]
    over_length = [_linear(lengths, length)] * len(cuts)
    over_blocks = [1.0] if len(cuts) == 1 else _linear(cuts, trained)
    frozen_bytes = 0 if len(cuts) == 1 else _bytes(blocks[: len(blocks) - trained], where.backend)

    def at_full(figure: Callable[[MemoryForecast], int]) -> int:
        rows = zip(found, over_length, over_blocks, strict=True)
        return round(
            sum(
                share * weight * figure(one)
                for row, shares, weight in rows
                for one, share in zip(row, shares, strict=True)
            )
        )

    first = found[0][0]
    peak_bytes = at_full(lambda one: one.peak_bytes) + frozen_bytes
    parts = {name: max(0, at_full(_part(name))) for name in first.parts}
    # What the tokens take is not told apart: a short step may peak at another moment.
    parts |= {"attention": 0, "logits_and_loss": 0, "activations": 0}
    parts["weights"] += frozen_bytes
    parts["activations"] = peak_bytes - sum(parts.values())
    outside_bytes = max(one.outside_bytes for row in found for one in row)
    floor_bytes = at_full(lambda one: one.floor_bytes or 0) + frozen_bytes
    return first.model_copy(
        update={
            "peak_bytes": peak_bytes,
            "low_bytes": round(peak_bytes * BAND[0]),
            "high_bytes": round(peak_bytes * BAND[1]),
            "method": "analytic",
            "parts": parts,
            "floor_bytes": floor_bytes,
            "footprint_bytes": peak_bytes + outside_bytes,
            "notes": (_note(lengths, cuts, trained), *first.notes[1:]),
        }
    )


def _part(name: str) -> Callable[[MemoryForecast], int]:
    return lambda forecast: forecast.parts[name]


def _with_last(model: nn.Module, count: int) -> nn.Module:
    """``model`` with only its last ``count`` blocks."""
    first = model.layers[0]
    for module in model.modules():
        for value in module.values():
            if isinstance(value, list) and value and value[0] is first:
                del value[:-count]
    return model


def _note(lengths: Sequence[int], cuts: Sequence[int], trained: int) -> str:
    tokens = " and ".join(str(length - 1) for length in lengths)
    some = " and ".join(map(str, cuts))
    blocks = f" with {some} of {trained} trained blocks" if len(cuts) > 1 else ""
    return f"a loop over the tokens: traced at {tokens} tokens{blocks}, and extended from there"


def _lengths(longest: int, a_token: float) -> list[int]:
    """Two padded lengths, as long as can be traced in time and shorter than ``longest``."""
    most = min(_MOST_TRACED / (4 * a_token), (longest - 1) / 4)
    step = max(_STEP, int(most) // _STEP * _STEP)
    return [step * times + 1 for times in (1, 3)]


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
