"""Examples as the rows that go through the model: each cut at the limit, or in several pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cockpit.core.plan import RunPlan
from cockpit.trainer.order import Indices

# One a row: the example, and the first and one past the last of its tokens.
Pieces = NDArray[np.int64]


def rows_of(examples: Indices, lengths: Any, offsets: Any, plan: RunPlan) -> Pieces:
    """What of ``examples`` goes through, at most ``max_seq_length`` tokens a row.

    Cut, an example is one row, in the order given. Split, each of its targets is in exactly one
    of its rows: a row starts with the last token of the row before, which is only context there.
    Rows that would hold nothing but prompt are left out. They come shortest first, so that those
    of like length share a batch; where nothing is long that is the order given.

    ``lengths`` are in tokens; ``offsets`` say where the loss starts.
    """
    limit = plan.max_seq_length
    if plan.long_examples == "cut":
        rows = [(example, 0, min(int(lengths[example]), limit)) for example in examples]
        return np.array(rows, np.int64).reshape(-1, 3)
    rows = [
        (example, start, min(start + limit, int(lengths[example])))
        for example in examples
        for start in _starts(int(lengths[example]), int(offsets[example]), limit)
    ]
    found = np.array(rows, np.int64).reshape(-1, 3)
    return found[np.argsort(found[:, 2] - found[:, 1], kind="stable")]


def _starts(length: int, offset: int, limit: int) -> range:
    """Where the rows of an example start, from the first that holds a target."""
    step = limit - 1
    if length <= limit:
        return range(1)
    # The row from s holds the targets s + 1 to s + step.
    first = max(0, -(-offset // step) - 1)
    return range(first * step, length - 1, step)
