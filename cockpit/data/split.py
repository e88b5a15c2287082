"""Which examples go to train, valid and test: a function of content and seed alone.

Twins share a loose identity, so they never end up in different splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from cockpit.errors import CockpitError
from cockpit.system.dataset import SPLITS, SplitName

Shares = tuple[float, float, float]


def parse_shares(text: str) -> Shares:
    """``90/5/5`` or ``0.9/0.05/0.05``, train first, as parts of one; ``90/10`` has no test."""
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    if len(numbers) == 2:
        numbers.append(0.0)
    total = sum(numbers)
    wrong = len(numbers) != 3 or min(numbers) < 0 or not numbers[0]
    if wrong or not any(abs(total - whole) < 1e-6 for whole in (1, 100)):
        raise CockpitError(
            "The split was not understood",
            f"--split {text}",
            "Name the parts of train, valid and test, 100 in all: --split 90/5/5",
        )
    return numbers[0] / total, numbers[1] / total, numbers[2] / total


def assign(identities: Sequence[int], shares: Shares, seed: int) -> list[SplitName]:
    """The split of each example, as near to ``shares`` as twins allow.

    The different identities are put in an order that ``seed`` decides, and cut there: the same
    content gives the same splits, whatever the order of its lines.
    """
    known, where, counts = np.unique(
        np.asarray(identities, np.uint64), return_inverse=True, return_counts=True
    )
    order = np.argsort(_drawn(known, seed), kind="stable")
    middle = np.empty(len(known))
    behind = np.cumsum(counts[order])
    middle[order] = (behind - counts[order] / 2) / max(1, len(identities))
    ends = (shares[0], shares[0] + shares[1])
    numbers = np.searchsorted(np.array(ends), middle, side="right")
    _fill_empty(numbers, order, shares)
    return [SPLITS[int(number)] for number in numbers[where]]


def _drawn(identities: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """A hash of each identity and the seed."""
    key = seed.to_bytes(16, "little")
    drawn = (blake2b(value.tobytes(), digest_size=8, key=key).digest() for value in identities)
    return np.fromiter((int.from_bytes(d, "little") for d in drawn), np.uint64, len(identities))


def _fill_empty(numbers: NDArray[np.intp], order: NDArray[np.intp], shares: Shares) -> None:
    """A split that was asked for gets one example at least, where there are enough."""
    wanted = [i for i in range(3) if shares[i]]
    if len(order) < len(wanted):
        return
    for number in wanted[1:]:
        if not (numbers == number).any():
            rich = max(wanted, key=lambda i: int((numbers == i).sum()))
            numbers[order[np.flatnonzero(numbers[order] == rich)[-1]]] = number
