"""Which runs of a list are shown, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cockpit.core.run_state import ACTIVE
from cockpit.system.run_list import RunRow

SortKey = Literal["date", "final-loss", "best-loss", "peak-memory", "status"]

# What goes on comes first, then what needs somebody.
_STATUSES = (
    "running", "starting", "recovering", "paused", "stopping", "failed", "stopped", "completed"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sort:
    """A way to order runs. ``first`` says which come first, ``last`` which do if reversed.

    ``descending`` is how the values run down the list if it is not reversed.
    """

    label: str
    first: str
    last: str
    descending: bool
    value: Callable[[RunRow], float | None] | None = None


def _status(row: RunRow) -> float:
    status = row.summary.status
    return _STATUSES.index(status) if status in _STATUSES else len(_STATUSES)


SORTS: dict[SortKey, Sort] = {
    "date": Sort("date", "newest first", "oldest first", True),
    "final-loss": Sort(
        "final loss", "lowest first", "highest first", False, lambda r: r.summary.final_train_loss
    ),
    "best-loss": Sort(
        "best validation loss", "lowest first", "highest first", False, lambda r: r.best_loss
    ),
    "peak-memory": Sort(
        "peak memory", "highest first", "lowest first", True,
        lambda r: r.summary.measured_peak_bytes,
    ),
    "status": Sort("status", "running first", "completed first", False, _status),
}  # fmt: skip
KEYS: tuple[SortKey, ...] = tuple(SORTS)


@dataclass(frozen=True, slots=True)
class Order:
    """The key of an order, and whether it is turned round."""

    key: SortKey = "date"
    reverse: bool = False

    @property
    def descending(self) -> bool:
        return SORTS[self.key].descending is not self.reverse

    def turned(self) -> Order:
        return Order(self.key, not self.reverse)

    def following(self) -> Order:
        """By the next key, that one's natural way round."""
        return Order(KEYS[(KEYS.index(self.key) + 1) % len(KEYS)])

    def in_words(self) -> str:
        """``best validation loss, lowest first``."""
        sort = SORTS[self.key]
        return f"{sort.label}, {sort.last if self.reverse else sort.first}"


def arranged(rows: Sequence[RunRow], order: Order) -> list[RunRow]:
    """``rows``, which are newest first, in that order; what is unknown comes last either way."""
    value = SORTS[order.key].value
    if value is None:
        return list(reversed(rows)) if order.reverse else list(rows)
    known = [(found, row) for row in rows if (found := value(row)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=order.descending)
    return [*(row for _, row in known), *(row for row in rows if value(row) is None)]


def matching(rows: Iterable[RunRow], typed: str) -> list[RunRow]:
    """The rows that hold every word of ``typed`` in name, model, status or tags.

    A word that begins with ``#`` is the beginning of a tag; ``active`` is any run that goes on.
    """
    words = typed.casefold().split()
    return [row for row in rows if all(_holds(row, word) for word in words)]


def tagged(rows: Iterable[RunRow], tags: Sequence[str]) -> list[RunRow]:
    """The rows that have all of ``tags``, whole, whatever their case."""
    wanted = {tag.casefold() for tag in tags}
    return [row for row in rows if wanted <= {tag.casefold() for tag in row.tags}]


def _holds(row: RunRow, word: str) -> bool:
    if word.startswith("#"):
        return any(tag.casefold().startswith(word[1:]) for tag in row.tags)
    summary = row.summary
    if word == "active" and summary.status in ACTIVE:
        return True
    texts = (summary.run, summary.model or "", summary.status, *row.tags)
    return any(word in text.casefold() for text in texts)
