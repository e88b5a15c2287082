"""The plans of ``bench/recovery.py``: too large from the start, growing while they train, fitting.

Every share is of what the plan was measured to need without a limit.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Group = Literal["unfit", "grows", "fits"]
Growth = Literal["data", "leak", "neighbour"]

UPDATES = 4
# Time enough for the guard to be wrong.
PATIENT_UPDATES = 12
# Of what MLX needs for the plan as asked: from just too little to a fraction.
SHARES = (0.9, 0.7, 0.5, 0.35)
PLANS = [
    {"batch_size": batch, "max_seq_length": length, "num_layers": 4, "iters": UPDATES}
    for batch, length in itertools.product((2, 4), (257, 385, 513))
]
# Those whose scores are 32 MiB and more, which MLX's CPU allocator does not keep for reuse. What it
# keeps of smaller ones moves the footprint of the same run by up to a tenth: that fits, or not.
FITTING_PLANS = [
    {"batch_size": batch, "max_seq_length": length, "num_layers": 4, "iters": PATIENT_UPDATES}
    for batch, length in ((2, 513), (2, 577), (2, 641), (4, 385), (4, 449), (4, 513))
]
# The memory that is in use before anything grows.
START = 0.75
# Updates until a leak has taken the rest, and shares of the limit that a neighbour takes a second.
LEAKS = (8, 15, 30, 60)
NEIGHBOURS = (0.01, 0.02, 0.04, 0.08)
GROWING_PLAN = {"batch_size": 2, "max_seq_length": 257, "num_layers": 4, "save_every": 1000}
LONGER_PLAN = {"batch_size": 2, "max_seq_length": 513, "num_layers": 4, "save_every": 1000}
# Tokens an example: longer by and by, and two long ones among many short.
EVENLY = tuple(40 + 15 * place for place in range(32))
RARELY = (*range(100, 130), 512, 512)
# Sixteen updates an epoch, each of like lengths. With these seeds the first is not fatal; in one
# case the second is, which no stop between updates can prevent.
LONGER = (
    *((EVENLY, 0.9, seed) for seed in (0, 1)),
    *((EVENLY, 0.65, seed) for seed in (1, 2)),
    *((RARELY, share, seed) for share in (0.9, 0.65) for seed in (0, 1)),
)
TOKENS_A_WORD = 8


@dataclass(frozen=True, slots=True)
class Case:
    """One plan under one limit.

    ``share`` is the limit's of what MLX needs (unfit, and growing data), or what is in use of the
    limit (the others). ``amount`` is of LEAKS or NEIGHBOURS; ``lengths`` are the data's.
    """

    group: Group
    plan: dict[str, Any]
    share: float
    growth: Growth | None = None
    amount: float = 0.0
    lengths: tuple[int, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        shape = f"{self.plan['batch_size']} x {self.plan['max_seq_length']}"
        longer = (
            f"longer batches {'rarely' if self.lengths == RARELY else 'evenly'}, "
            f"seed {self.plan.get('seed')}"
        )
        how = {
            "data": f"{longer}, limit at",
            "leak": f"a leak that takes {self.amount:.0f} updates, from",
            "neighbour": f"a neighbour that takes {self.amount:.0%} a second, from",
        }
        grows = how[self.growth] if self.growth else "limit at" if self.group == "unfit" else "at"
        if self.lengths and not self.growth:
            grows = f"{longer}, at"
        return f"{self.group} {shape} {grows} {self.share:.0%}"

    @property
    def unlimited(self) -> dict[str, Any]:
        """The plan that tells what this one needs; the same for cases that need the same.

        What is kept beside MLX depends on the order of lengths, so what is to fit keeps its own.
        """
        of_all = {name: value for name, value in self.plan.items() if name != "seed"}
        plan = self.plan if self.group == "fits" else of_all
        return plan | ({"iters": PATIENT_UPDATES} if self.growth in ("leak", "neighbour") else {})

    def room_bytes(self, base_bytes: int, mlx_bytes: int) -> int:
        """The limit for what takes ``mlx_bytes`` and ``base_bytes`` beside them at its peak."""
        if self.group == "unfit" or self.growth == "data":
            return base_bytes + int(self.share * mlx_bytes)
        return int((base_bytes + mlx_bytes) / self.share)

    def mib(self, room_bytes: int) -> float:
        """What grows an update, or a second."""
        if self.growth == "neighbour":
            return self.amount * room_bytes / 2**20
        return (1 - self.share) * room_bytes / self.amount / 2**20 if self.growth == "leak" else 0.0


def unfit() -> Iterator[Case]:
    for share, plan in itertools.product(SHARES, PLANS):
        yield Case("unfit", plan, share)


def fitting() -> Iterator[Case]:
    """At 95 % of the limit, so that the guard has something to be wrong about: of equal length,
    and with longer batches to come, which the forecast explains."""
    for share, plan in itertools.product((0.95, 0.93), FITTING_PLANS):
        yield Case("fits", plan, share)
    for lengths, share, seed in itertools.product((EVENLY, RARELY), (0.95, 0.93), (0, 1)):
        yield Case("fits", LONGER_PLAN | {"iters": 16, "seed": seed}, share, lengths=lengths)


def growing() -> Iterator[Case]:
    for lengths, share, seed in LONGER:
        plan = LONGER_PLAN | {"iters": 16, "seed": seed}
        yield Case("grows", plan, share, "data", lengths=lengths)
    for updates in LEAKS:
        yield Case("grows", GROWING_PLAN | {"iters": 2 * updates}, START, "leak", updates)
    for rate in NEIGHBOURS:
        iters = 20 + int((1 - START) / rate / 0.3)
        yield Case("grows", GROWING_PLAN | {"iters": iters}, START, "neighbour", rate)


def write_lengths(folder: Path, lengths: tuple[int, ...]) -> Path:
    folder.mkdir(parents=True)
    for name, tokens in (("train", lengths), ("valid", (64, 64))):
        texts = ["ship ahoy! " * (count // TOKENS_A_WORD) for count in tokens]
        lines = [json.dumps({"text": text}) + "\n" for text in texts]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    return folder
