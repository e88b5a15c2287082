"""Finding runs in a long list, and putting them in order."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.system.run_list import RunRow
from cockpit.system.runs_view import KEYS, Order, SortKey, arranged, matching, tagged
from cockpit.system.summary import RunSummary


def row(name: str, status: str = "completed", *, tags: tuple[str, ...] = (), **more: Any) -> RunRow:
    best = more.pop("best", None)
    fields = {
        "model": "org/Qwen2.5", "iterations": 1, "final_train_loss": None,
        "predicted_peak_bytes": None, "measured_peak_bytes": None, "adapter_path": None,
    }  # fmt: skip
    return RunRow(RunSummary(name, status, **(fields | more)), tags, best_loss=best)


# Newest first, as they are read.
ROWS = [
    row("d", "running", final_train_loss=1.5, best=2.5, measured_peak_bytes=3, tags=("Night",)),
    row("c", "failed", final_train_loss=None, best=None, measured_peak_bytes=9, model=None),
    row("b", final_train_loss=0.5, best=2.5, measured_peak_bytes=None, tags=("night", "paper")),
    row("a", "stopped", final_train_loss=2.5, best=1.5, measured_peak_bytes=3),
]


def names(rows: list[RunRow]) -> str:
    return "".join(row.summary.run for row in rows)


@pytest.mark.parametrize(
    ("key", "natural", "turned"),
    [
        ("date", "dcba", "abcd"),
        ("final-loss", "bdac", "adbc"),
        ("best-loss", "adbc", "dbac"),
        ("peak-memory", "cdab", "dacb"),
        ("status", "dcab", "bacd"),
    ],
)
def test_the_unknown_comes_last_and_equals_stay_newest_first(
    key: SortKey, natural: str, turned: str
) -> None:
    assert names(arranged(ROWS, Order(key))) == natural
    assert names(arranged(ROWS, Order(key, reverse=True))) == turned


def test_each_order_says_what_comes_first() -> None:
    order, said = Order(), []
    for _ in KEYS:
        said.append(order.in_words())
        order = order.following()
    assert order == Order() and len(set(said)) == len(KEYS)
    assert Order("best-loss").in_words() == "best validation loss, lowest first"
    assert Order("best-loss").turned().in_words() == "best validation loss, highest first"
    assert [Order(key).descending for key in KEYS] == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", "dcba"),
        ("QWEN", "dba"),
        ("qwen night", "db"),
        ("#nig", "db"),
        ("#ght", ""),
        ("failed", "c"),
        ("active", "d"),
        ("paper stopped", ""),
    ],
)
def test_every_word_has_to_be_somewhere(typed: str, found: str) -> None:
    assert names(matching(ROWS, typed)) == found


def test_a_tag_is_taken_whole() -> None:
    assert names(tagged(ROWS, ["NIGHT"])) == "db"
    assert names(tagged(ROWS, ["night", "paper"])) == "b"
    assert names(tagged(ROWS, ["nig"])) == ""
    assert names(tagged(ROWS, [])) == "dcba"
