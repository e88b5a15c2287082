"""A rung as a row of the Recover screen, at the width of the smallest terminal."""

from __future__ import annotations

import pytest

from cockpit.core.forecast import MemoryForecast
from cockpit.core.ladder import Rung, RungKind
from cockpit.core.plan import RunPlan
from cockpit.memory import rung_words
from cockpit.ui.spans import text_of
from cockpit.ui.widgets.rungs import rung_row

WIDTH = 80
ASKED = RunPlan(model="m", data="d", batch_size=16, num_layers=16)


def rung(kind: RungKind, need_bytes: int, *, why_not: str = "", **changes: object) -> Rung:
    after = ASKED.with_changes(**changes)
    need = MemoryForecast(
        peak_bytes=need_bytes, low_bytes=need_bytes, high_bytes=need_bytes,
        parts={"weights": need_bytes}, method="trace",
    )  # fmt: skip
    title, short = (say(kind, ASKED, after, 16) for say in (rung_words.title, rung_words.short))
    return Rung(
        kind, title, dict(changes), forecast=need, fits=not why_not, why_not=why_not, short=short
    )


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("loss_chunks", {}, "Loss in chunks: 1 -> 8 "),
        ("loss_chunks", {"grad_checkpoint": True}, "Loss in chunks: 1 -> 8, and 1 more"),
        (
            "batch_size",
            {"batch_size": 1, "grad_accumulation_steps": 16, "grad_checkpoint": True},
            "Smaller micro-batches: 16 x 1 -> 1 x 16, and …",
        ),
    ],
)
def test_a_title_that_is_too_long_says_how_many_more(
    kind: RungKind, changes: dict[str, object], said: str
) -> None:
    row = text_of(rung_row(rung(kind, 10**9, loss_chunks=8, **changes), 2 * 10**9, WIDTH))
    assert said in row and len(row) <= WIDTH and "1.00 GB" in row and "changes" in row


def test_a_need_that_reads_like_the_budget_says_what_is_too_much() -> None:
    row = text_of(rung_row(rung("num_layers", 194_000_000, why_not="x"), 190_000_000, WIDTH))
    assert "too large" in row and "+4.0 MB" not in row  # it changes nothing: no price
    large = rung("num_layers", 194_000_000, why_not="x", num_layers=1)
    assert "+4.0 MB" in text_of(rung_row(large, 190_000_000, WIDTH))
    assert "0.19 GB" in text_of(rung_row(large, 100_000_000, WIDTH))
