"""Examples that are there twice: identities of 64 bits each, so that millions fit in memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

# Beyond this a text's words are not taken apart: only exact twins are found among such.
_LONGEST_NORMALISED = 1_000_000
# No white space to str.split, unlike the separators of ASCII.
_BETWEEN = "\x00"


def identity(texts: Sequence[str]) -> int:
    """The same for the same texts; two different ones of a million agree once in 10**7 sets."""
    return _hash(_BETWEEN.join(texts))


def loose_identity(texts: Sequence[str]) -> int:
    """The same for texts that differ in white space and capitals only."""
    joined = _BETWEEN.join(texts)
    if len(joined) > _LONGEST_NORMALISED:
        return _hash(joined)
    return _hash(" ".join(joined.lower().split()))


def _hash(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


@dataclass(slots=True)
class Identities:
    """The examples of one split, in order, with the line of each."""

    exact: array[int] = field(default_factory=lambda: array("Q"))
    loose: array[int] = field(default_factory=lambda: array("Q"))
    lines: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, texts: Sequence[str], line: int) -> None:
        self.exact.append(identity(texts))
        self.loose.append(loose_identity(texts))
        self.lines.append(line)


@dataclass(frozen=True, slots=True)
class Twins:
    """How many examples are twins of an earlier one, and the lines of the first few."""

    count: int
    lines: tuple[int, ...]


def within(split: Identities, kept: int) -> tuple[Twins, Twins]:
    """Repetitions inside a split: exact ones, and others that only look different."""
    exact, loose = _repeated(_array(split.exact)), _repeated(_array(split.loose))
    loose &= ~exact
    return _twins(split, exact, kept), _twins(split, loose, kept)


def across(split: Identities, others: Sequence[Identities], kept: int) -> tuple[Twins, Twins]:
    """Examples of ``split`` that are in one of the others too: exactly, and loosely."""
    exact = np.zeros(len(split.exact), bool)
    loose = np.zeros(len(split.exact), bool)
    for other in others:
        exact |= np.isin(_array(split.exact), _array(other.exact))
        loose |= np.isin(_array(split.loose), _array(other.loose))
    loose &= ~exact
    return _twins(split, exact, kept), _twins(split, loose, kept)


def _array(hashes: array[int]) -> Hashes:
    return np.frombuffer(hashes, np.uint64) if len(hashes) else np.empty(0, np.uint64)


def _repeated(hashes: Hashes) -> NDArray[np.bool_]:
    """Whether an equal hash stands before, for each."""
    order = np.argsort(hashes, kind="stable")
    repeated = np.zeros(len(hashes), bool)
    repeated[order[1:]] = hashes[order[1:]] == hashes[order[:-1]]
    return repeated


def _twins(split: Identities, marked: NDArray[np.bool_], kept: int) -> Twins:
    where = np.flatnonzero(marked)
    return Twins(len(where), tuple(_lines(split, where[:kept])))


def _lines(split: Identities, where: NDArray[np.intp]) -> Iterator[int]:
    return (split.lines[int(i)] for i in where)
