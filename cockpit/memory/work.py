"""How much an update has to do, in padded tokens: a few timed updates then tell of them all.

Examples of like length share an update, so updates differ as examples do, and the first ones may
be far from the average.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cockpit.core.plan import RunPlan
from cockpit.memory.analytic import padded_length
from cockpit.system.warm_up import LEFT_OUT, MOST, Work
from cockpit.trainer.order import Order, micro_batches
from cockpit.trainer.pieces import rows_of

# Of a long run so many updates, evenly spread, stand for all.
_LOOKED_AT = 1_000


def work_of(plan: RunPlan, lengths: Sequence[int]) -> Work:
    """The work of the first updates and of the average one; ``lengths`` are uncut, in tokens."""
    tokens = np.asarray(lengths, np.int64)
    order = Order(tokens, plan.examples_per_update, plan.seed)
    no_prompts = np.zeros_like(tokens)

    def of(update: int) -> int:
        rows = rows_of(order.examples(update), tokens, no_prompts, plan)
        return sum(
            len(batch) * padded_length(int((batch[:, 2] - batch[:, 1]).max()), plan.max_seq_length)
            for batch in micro_batches(rows, plan.batch_size)
        )

    first = tuple(of(update) for update in range(LEFT_OUT + MOST))
    step = max(1, plan.updates // _LOOKED_AT)
    looked_at = range(0, min(plan.updates, step * _LOOKED_AT), step)
    return Work(first, float(np.mean([of(update) for update in looked_at])))
