"""Examples as the padded arrays that mlx-lm's loss takes."""

from __future__ import annotations

from collections.abc import Iterator

import mlx.core as mx
import numpy as np

from cockpit.core.plan import RunPlan
from cockpit.trainer.data import Split
from cockpit.trainer.order import Indices, evaluation_examples, micro_batches
from cockpit.trainer.pieces import Pieces, rows_of
from cockpit.trainer.ranks import Ranks
from cockpit.trainer.step import Batch

PAD_TO = 32


def padded_length(longest: int, max_seq_length: int) -> int:
    """One more than a multiple of 32, at most ``max_seq_length``: mlx-lm's rule."""
    return min(1 + PAD_TO * -(-longest // PAD_TO), max_seq_length)


def make_batch(split: Split, rows: Pieces, max_seq_length: int) -> Batch:
    width = padded_length(int((rows[:, 2] - rows[:, 1]).max()), max_seq_length)
    batch = np.zeros((len(rows), width), np.int32)
    bounds = np.zeros((len(rows), 2), np.int32)
    for place, (example, start, stop) in enumerate(rows):
        batch[place, : stop - start] = split.tokens[example][start:stop]
        bounds[place] = max(0, split.offsets[example] - start), stop - start
    return mx.array(batch), mx.array(bounds)


def update_batches(split: Split, examples: Indices, plan: RunPlan, ranks: Ranks) -> Iterator[Batch]:
    """One rank's micro-batches of an update that consumes ``examples``: at least one."""
    rows = rows_of(examples, split.lengths, split.offsets, plan)
    for share in micro_batches(rows, plan.batch_size, ranks.rank, ranks.size):
        if len(share):
            yield make_batch(split, share, plan.max_seq_length)


def shares(split: Split, plan: RunPlan, batches: int, ranks: Ranks) -> list[Pieces]:
    """One rank's share of each fixed batch for an evaluation; empty where a batch runs short."""
    fixed = evaluation_examples(split.lengths, plan.batch_size, batches, plan.seed)
    return [
        share
        for examples in fixed
        for share in micro_batches(
            rows_of(examples, split.lengths, split.offsets, plan),
            plan.batch_size,
            ranks.rank,
            ranks.size,
        )
    ]
