"""What examples' lengths mean for training: truncation, padding, epochs. Lengths are tokens."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cockpit.core.plan import RunPlan
from cockpit.memory.analytic import padded_length
from cockpit.trainer.order import Order

Lengths = NDArray[np.int64]

USUAL_LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
# A length is recommended if it cuts no more of the examples than this.
TOLERATED_SHARE = 0.01
PERCENTILES = (5, 25, 50, 75, 90, 95, 99)
HISTOGRAM_BINS = 24
HISTOGRAM_MEDIANS = 16


@dataclass(frozen=True, slots=True)
class Summary:
    """The lengths of one split. ``percentiles`` go with PERCENTILES."""

    tokens: int
    shortest: int
    longest: int
    mean: float
    percentiles: tuple[int, ...]

    def percentile(self, percent: int) -> int:
        """One of PERCENTILES."""
        return self.percentiles[PERCENTILES.index(percent)]

    def to_json(self) -> dict[str, Any]:
        named = dict(zip((f"p{p}" for p in PERCENTILES), self.percentiles, strict=True))
        return {
            "tokens": self.tokens,
            "min": self.shortest,
            "mean": round(self.mean, 1),
            **named,
            "max": self.longest,
        }


@dataclass(frozen=True, slots=True)
class Cut:
    """What ``max_seq_length`` leaves out: examples that lose their end, and tokens in all."""

    max_seq_length: int
    examples: int
    share: float
    tokens_share: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Bin:
    """Examples of ``low`` to ``high`` tokens, both included; None is without an end."""

    low: int
    high: int | None
    examples: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Batching:
    """One epoch as the plan batches it. ``padding_share`` is the part that is no example.

    ``mixing_share`` is the part of it that batches of one example would not have.
    """

    batch_size: int
    max_seq_length: int
    iterations_per_epoch: int
    updates_per_epoch: int
    epochs: float
    padding_share: float
    mixing_share: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def summary(lengths: Sequence[int]) -> Summary | None:
    """None without examples."""
    values = as_array(lengths)
    if not len(values):
        return None
    marks = np.percentile(values, PERCENTILES, method="inverted_cdf")
    return Summary(
        int(values.sum()),
        int(values.min()),
        int(values.max()),
        float(values.mean()),
        tuple(int(mark) for mark in marks),
    )


def cuts(lengths: Sequence[int], also: int) -> tuple[Cut, ...]:
    """What each usual length cuts, and ``also``, up to the first that cuts nothing."""
    values = as_array(lengths)
    found: list[Cut] = []
    for length in sorted({*USUAL_LENGTHS, also}):
        if len(values) and (length <= also or not found or found[-1].examples):
            found.append(cut(values, length))
    return tuple(found)


def cut(values: Lengths, length: int) -> Cut:
    """What one length cuts of at least one example."""
    over = values[values > length]
    lost = int(over.sum()) - length * len(over)
    tokens = int(values.sum())
    return Cut(length, len(over), len(over) / len(values), lost / tokens if tokens else 0.0)


def recommended(lengths: Sequence[int]) -> int | None:
    """The smallest usual length that cuts at most one example in a hundred; None without any.

    Examples beyond every usual length are to be split, and do not count.
    """
    values = as_array(lengths)
    if not len(values):
        return None
    if not len(values := values[values <= USUAL_LENGTHS[-1]]):
        return USUAL_LENGTHS[-1]
    fitting = (n for n in USUAL_LENGTHS if (values > n).mean() <= TOLERATED_SHARE)
    return next(fitting)


def histogram(lengths: Sequence[int]) -> tuple[Bin, ...]:
    """Bins of equal width up to the 99th percentile, and one for what is beyond.

    Or up to a multiple of the median: in a small set the percentile is its longest example.
    """
    values = as_array(lengths)
    if not len(values):
        return ()
    low = int(values.min())
    median, high = map(int, np.percentile(values, (50, 99), method="inverted_cdf"))
    high = int(values[values <= min(high, HISTOGRAM_MEDIANS * max(1, median))].max())
    width = max(1, -(-(high - low + 1) // HISTOGRAM_BINS))
    edges = list(range(low, high + 1, width))
    counts = np.bincount(np.minimum((values - low) // width, len(edges)), minlength=len(edges) + 1)
    bins = [Bin(edge, edge + width - 1, int(n)) for edge, n in zip(edges, counts, strict=False)]
    beyond = int(counts[len(edges)])
    return (*bins, Bin(bins[-1].low + width, None, beyond)) if beyond else tuple(bins)


def batching(lengths: Sequence[int], plan: RunPlan) -> Batching | None:
    """The first epoch in the trainer's own order; None with fewer examples than a batch holds."""
    values = as_array(lengths)
    if len(values) < plan.batch_size:
        return None
    order = Order(values, plan.examples_per_update, plan.seed)
    seen = np.concatenate([order.examples(i) for i in range(order.updates_per_epoch)])
    kept = np.minimum(values[seen], plan.max_seq_length).reshape(-1, plan.batch_size)
    padded = _padded(kept.max(axis=1), plan.max_seq_length) * plan.batch_size
    alone = _padded(kept.ravel(), plan.max_seq_length)
    iterations = len(values) // plan.batch_size
    return Batching(
        plan.batch_size,
        plan.max_seq_length,
        iterations,
        order.updates_per_epoch,
        plan.iterations / iterations,
        1 - int(kept.sum()) / padded,
        1 - alone / padded,
    )


def _padded(longest: Lengths, max_seq_length: int) -> int:
    """Positions in a row of each of these batches, in all."""
    values, counts = np.unique(longest, return_counts=True)
    return sum(
        padded_length(int(value), max_seq_length) * int(count)
        for value, count in zip(values, counts, strict=True)
    )


def as_array(lengths: Sequence[int]) -> Lengths:
    if isinstance(lengths, array) and len(lengths):
        return np.frombuffer(lengths, f"u{lengths.itemsize}").astype(np.int64)
    return np.asarray(lengths, np.int64)
