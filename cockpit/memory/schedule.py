"""The order in which MLX evaluates a graph (``eval_impl``): breadth first, up to a width.

What waits longest between being computed and being read is what fills memory, so the order is
half of the answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from cockpit.memory.graph import Op, Value

MAX_WIDTH = 20  # MLX_BFS_MAX_WIDTH's default


def evaluation_order(asked_for: Sequence[Value]) -> list[Op]:
    """Every operation that ``asked_for`` needs, in the order in which MLX runs them."""
    waiting = _count_readers(asked_for)
    remaining = len(waiting)
    final = Op("Synchronize", list(asked_for), [])
    tape = [final]
    postponed: list[tuple[Op, int]] = []
    next_op = 0
    while remaining and (next_op < len(tape) or postponed):
        if next_op < len(tape):
            op, position = tape[next_op], 0
            next_op += 1
        else:
            op, position = postponed.pop()
        inputs = op.inputs
        while position < len(inputs):
            needed = inputs[position].op
            if needed is not None:
                if len(tape) - next_op >= MAX_WIDTH:
                    postponed.append((op, position))
                    break
                waiting[needed] -= 1
                if not waiting[needed]:
                    remaining -= 1
                    needed.reached = inputs[position]
                    tape.append(needed)
            position += 1
    return tape[:0:-1]


def _count_readers(asked_for: Sequence[Value]) -> dict[Op, int]:
    """How many times each operation's results are asked for."""
    counts: dict[Op, int] = {}
    pending: deque[Value] = deque(asked_for)
    while pending:
        op = pending.pop().op
        if op is None:
            continue
        if op in counts:
            counts[op] += 1
        else:
            counts[op] = 1
            pending.extend(op.inputs)
    return counts
