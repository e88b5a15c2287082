"""The largest batches a run will see, from the real lengths of its examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cockpit.core.plan import RunPlan
from cockpit.memory.analytic import padded_length
from cockpit.trainer.order import Indices, Order, evaluation_examples, micro_batches
from cockpit.trainer.pieces import rows_of

# Beyond this many updates every example is seen often enough to be in the last batch once.
_UPDATES_LOOKED_AT = 5_000

# Examples in a batch, and its padded length with the last token, which is only a target.
BatchShape = tuple[int, int]


@dataclass(frozen=True, slots=True)
class MicroBatches:
    """The largest batch of each place in an update; None where there is none.

    ``whole`` is alone in its update. Elsewhere ``first`` finds no sums of gradients yet, ``part``
    adds to them, and ``last`` makes the step; the first and the last are the largest if all are
    alike, and so ``first`` counts only where they may differ.
    """

    whole: BatchShape | None = None
    first: BatchShape | None = None
    part: BatchShape | None = None
    last: BatchShape | None = None

    @classmethod
    def alike(cls, shape: BatchShape, number: int) -> MicroBatches:
        """``number`` of them in every update, all as large."""
        if number == 1:
            return cls(whole=shape)
        return cls(part=shape if number > 2 else None, last=shape)


@dataclass(frozen=True, slots=True)
class Batches:
    """The largest training batch, and that of validation and test; None without such data.

    ``longest_tokens`` is the longest example among them, uncut; None if lengths are not known.
    ``micro`` tells the batches of an update apart if they differ.
    """

    train: BatchShape
    valid: BatchShape | None
    longest_tokens: int | None = None
    micro: MicroBatches | None = None


def full_length(plan: RunPlan) -> Batches:
    """Every example fills ``max_seq_length``, or is longer if it may be split."""
    shape = (plan.batch_size, plan.max_seq_length)
    micro = MicroBatches.alike(shape, 3) if plan.long_examples == "split" else None
    return Batches(shape, shape, micro=micro)


def of_data(
    plan: RunPlan,
    train: Sequence[int],
    valid: Sequence[int] = (),
    prompts: tuple[Sequence[int], Sequence[int]] = ((), ()),
    test: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Batches:
    """The batches of ``plan`` on examples of these lengths, in tokens.

    ``prompts`` are the tokens of each example that the loss leaves out; none by default. ``test``
    are lengths and prompts of what the run is tested on, as it is validated.
    """
    lengths, valid_lengths = np.asarray(train, np.int64), np.asarray(valid, np.int64)
    masked = [
        np.asarray(of, np.int64) if len(of) else np.zeros_like(like)
        for of, like in zip(prompts, (lengths, valid_lengths), strict=True)
    ]
    tested = [np.asarray(of, np.int64) for of in test]
    evaluated = [
        _evaluated(plan, valid_lengths, masked[1], plan.val_batches),
        _evaluated(plan, tested[0], tested[1], plan.test_batches),
    ]
    largest_valid = _largest(shape for shape in evaluated if shape)
    longest = _longest_seen(plan, lengths)
    if plan.long_examples == "split" and longest > plan.max_seq_length:
        micro = _micro_batches(plan, lengths, masked[0])
        shapes = [s for s in (micro.whole, micro.first, micro.part, micro.last) if s]
        return Batches(max(shapes, key=_area), largest_valid, longest, micro)
    shape = (plan.batch_size, padded_length(longest, plan.max_seq_length))
    return Batches(shape, largest_valid, longest)


def _longest_seen(plan: RunPlan, lengths: Indices) -> int:
    """An epoch leaves a remainder out, so a short run may never see the longest example."""
    if plan.updates > _UPDATES_LOOKED_AT:
        return int(lengths.max())
    order = Order(lengths, plan.examples_per_update, plan.seed)
    return max(int(lengths[order.examples(update)].max()) for update in range(plan.updates))


def _micro_batches(plan: RunPlan, lengths: Indices, prompts: Indices) -> MicroBatches:
    order = Order(lengths, plan.examples_per_update, plan.seed)
    updates = [
        _shapes(plan, order.examples(update), lengths, prompts)
        for update in range(min(plan.updates, _UPDATES_LOOKED_AT))
    ]
    several = [shapes for shapes in updates if len(shapes) > 1]
    return MicroBatches(
        whole=_largest(shapes[0] for shapes in updates if len(shapes) == 1),
        first=_largest(shapes[0] for shapes in several),
        part=_largest(shape for shapes in several for shape in shapes[1:-1]),
        last=_largest(shapes[-1] for shapes in several),
    )


def _evaluated(plan: RunPlan, lengths: Indices, prompts: Indices, count: int) -> BatchShape | None:
    batches = evaluation_examples(lengths, plan.batch_size, count, plan.seed)
    return _largest(shape for batch in batches for shape in _shapes(plan, batch, lengths, prompts))


def _shapes(
    plan: RunPlan, examples: Indices, lengths: Indices, prompts: Indices
) -> list[BatchShape]:
    rows = rows_of(examples, lengths, prompts, plan)
    return [
        (len(part), padded_length(int((part[:, 2] - part[:, 1]).max()), plan.max_seq_length))
        for part in micro_batches(rows, plan.batch_size)
    ]


def _largest(shapes: Iterable[BatchShape]) -> BatchShape | None:
    return max(shapes, key=_area, default=None)


def _area(shape: BatchShape) -> int:
    return shape[0] * shape[1]
