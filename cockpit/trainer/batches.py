"""Examples as the padded arrays that mlx-lm's loss takes."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from cockpit.core.plan import RunPlan
from cockpit.trainer.data import Split
from cockpit.trainer.order import Indices, evaluation_examples
from cockpit.trainer.ranks import Ranks
from cockpit.trainer.step import Batch

PAD_TO = 32


def padded_length(longest: int, max_seq_length: int) -> int:
    """One more than a multiple of 32, at most ``max_seq_length``: mlx-lm's rule."""
    return min(1 + PAD_TO * -(-longest // PAD_TO), max_seq_length)


def make_batch(split: Split, examples: Indices, max_seq_length: int) -> Batch:
    tokens = [split.tokens[i][:max_seq_length] for i in examples]
    width = padded_length(max(split.lengths[examples]), max_seq_length)
    batch = np.zeros((len(tokens), width), np.int32)
    for row, example in zip(batch, tokens, strict=True):
        row[: len(example)] = example
    bounds = [(split.offsets[i], len(t)) for i, t in zip(examples, tokens, strict=True)]
    return mx.array(batch), mx.array(np.array(bounds, np.int32))


def shares(split: Split, plan: RunPlan, batches: int, ranks: Ranks) -> list[Indices]:
    """One rank's share of each fixed batch for an evaluation; empty where a batch runs short."""
    fixed = evaluation_examples(split.lengths, plan.batch_size, batches, plan.seed)
    return [batch[ranks.rank :: ranks.size] for batch in fixed]
