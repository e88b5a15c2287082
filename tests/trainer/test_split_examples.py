"""Long examples in pieces: every target once, in the update that the whole example belongs to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cockpit.core import events as ev
from cockpit.memory.lengths import of_data
from cockpit.trainer.batches import make_batch, shares, update_batches
from cockpit.trainer.order import Order
from cockpit.trainer.pieces import rows_of
from cockpit.trainer.ranks import Ranks
from tests.memory import models
from tests.trainer.conftest import Training, write_data

Prepare = Callable[..., Training]

LIMIT = 33
# Around every edge: a row, two rows with and without a rest of one target, many.
LENGTHS = [2, 5, 20, 32, 33, 34, 64, 65, 66, 97, 98, 200]


def plan(**fields: Any) -> Any:
    wanted = {"max_seq_length": LIMIT, "long_examples": "split", "batch_size": 2, "iters": 24}
    return models.plan(**(wanted | fields))


def examples(offsets: list[int] | None = None) -> Any:
    """Tokens that say where they stand: example x 1000 + place."""
    tokens = [np.arange(n, dtype=np.int32) + 1000 * (i + 1) for i, n in enumerate(LENGTHS)]
    masked = np.array(offsets or [0] * len(LENGTHS), np.int32)
    return SimpleNamespace(tokens=tokens, lengths=np.array(LENGTHS), offsets=masked)


def targets(batches: Any) -> Counter[int]:
    """Every token that the loss counts; the padding that mlx-lm counts after an end is left out."""
    found: Counter[int] = Counter()
    for batch, bounds in batches:
        for row, (start, stop) in zip(np.array(batch), np.array(bounds), strict=True):
            steps = np.arange(1, len(row))
            counted = row[1:][(steps >= start) & (steps <= stop)]
            found.update(int(token) for token in counted if token)
    return found


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("limit", [LIMIT, 50, 300])
def test_every_target_counts_exactly_once(limit: int, masked: bool) -> None:
    offsets = [0, 2, 10, 31, 32, 1, 32, 33, 64, 96, 97, 150] if masked else None
    split, asked = examples(offsets), plan(max_seq_length=limit)
    everything = np.arange(len(LENGTHS))
    wanted = Counter(
        int(token)
        for tokens, offset in zip(split.tokens, split.offsets, strict=True)
        for token in tokens[max(1, offset) :]
    )
    assert targets(update_batches(split, everything, asked, Ranks())) == wanted


@pytest.mark.parametrize("masked", [False, True])
def test_a_row_starts_with_the_last_token_of_the_row_before(masked: bool) -> None:
    split = examples([0] * 11 + [100] if masked else None)
    rows = rows_of(np.array([11]), split.lengths, split.offsets, plan())
    ordered = sorted((int(start), int(stop)) for _, start, stop in rows)
    assert all(stop - start <= LIMIT for start, stop in ordered)
    assert [start for start, _ in ordered[1:]] == [stop - 1 for _, stop in ordered[:-1]]
    assert ordered[-1][1] == 200
    # Rows that hold nothing but prompt do not go through.
    assert ordered[0][0] == (96 if masked else 0)


def test_batches_hold_no_more_rows_and_tokens_than_the_plan_allows() -> None:
    split, asked = examples(), plan(max_seq_length=50, batch_size=4)
    order = Order(split.lengths, asked.examples_per_update, asked.seed)
    shapes = [
        batch.shape
        for update in range(asked.updates)
        for batch, _ in update_batches(split, order.examples(update), asked, Ranks())
    ]
    assert {rows for rows, _ in shapes} > {4} and max(rows for rows, _ in shapes) == 4
    assert all(width == 50 or width % 32 == 1 for _, width in shapes)
    found = of_data(asked, LENGTHS)
    assert found.train == max(shapes, key=lambda shape: shape[0] * shape[1])
    assert found.micro is not None and found.micro.last is not None


def test_two_ranks_see_between_them_what_one_sees() -> None:
    split, everything = examples(), np.arange(len(LENGTHS))
    alone = targets(update_batches(split, everything, plan(), Ranks()))
    of_both = [
        targets(update_batches(split, everything, plan(), rank))
        for rank in (SimpleNamespace(rank=0, size=2), SimpleNamespace(rank=1, size=2))  # type: ignore[arg-type]
    ]
    assert of_both[0] + of_both[1] == alone
    assert of_both[0] and of_both[1]


def test_an_evaluation_counts_every_target_once() -> None:
    split, asked = examples(), plan(val_batches=-1)
    batches = [make_batch(split, rows, LIMIT) for rows in shares(split, asked, -1, Ranks())]
    assert sum(targets(batches).values()) == sum(length - 1 for length in LENGTHS)
    assert max(targets(batches).values()) == 1


def test_where_nothing_is_long_nothing_changes(prepare: Prepare) -> None:
    fields: dict[str, Any] = {"max_seq_length": 512, "grad_accumulation_steps": 2}
    cut, split = prepare(**fields), prepare(long_examples="split", **fields)
    assert cut.here() == split.here() == 0
    assert split.losses == cut.losses
    assert [e.tokens for e in split.events(ev.Updated)] == [
        e.tokens for e in cut.events(ev.Updated)
    ]


def test_long_examples_are_learned_to_their_end(prepare: Prepare, tmp_path: Path) -> None:
    data = write_data(tmp_path / "long", words=[4, 8, 60, 120])
    whole, cut, split = (
        prepare(data=str(data), iters=2, num_layers=1, **fields)
        for fields in (
            {"max_seq_length": 1024},
            {"max_seq_length": 33},
            {"max_seq_length": 33, "long_examples": "split"},
        )
    )
    for training in (whole, cut, split):
        assert training.here() == 0
    tokens = [sum(e.tokens for e in t.events(ev.Updated)) for t in (whole, cut, split)]
    assert tokens[1] < tokens[0]
    # One fewer for an example that ends with its row: there is no padding left to count.
    assert tokens[0] - 4 <= tokens[2] <= tokens[0]
    loaded = [t.one(ev.ModelLoaded).truncated_examples for t in (whole, cut, split)]
    assert loaded == [0, 2, 0]
    assert "in pieces" in " ".join(note.message for note in split.events(ev.Note))


def test_an_answer_behind_a_long_prompt_is_learned(prepare: Prepare, tmp_path: Path) -> None:
    rows = [{"prompt": "red dog " * 60, "completion": "the bone"}] * 2
    rows += [{"prompt": "cat", "completion": "a mat"}] * 2
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = {"data": str(tmp_path), "mask_prompt": True, "max_seq_length": 33, "iters": 2}
    cut, split = prepare(**fields), prepare(long_examples="split", **fields)
    assert cut.here() == split.here() == 0
    examples = [t.one(ev.ModelLoaded).train_examples for t in (cut, split)]
    assert examples == [2, 4]


def test_the_same_examples_make_an_update_whatever_the_batch(
    prepare: Prepare, tmp_path: Path
) -> None:
    data = write_data(tmp_path / "long", words=[4, 30, 60, 8, 90, 12, 70, 5])
    fields = {"data": str(data), "max_seq_length": 33, "long_examples": "split", "num_layers": 1}
    large = prepare(batch_size=4, iters=3, **fields)
    small = prepare(batch_size=1, grad_accumulation_steps=4, iters=12, **fields)
    assert large.here() == small.here() == 0
    assert small.losses == pytest.approx(large.losses, abs=1e-5)


def test_a_resumed_run_is_the_run_that_was_not_interrupted(
    prepare: Prepare, tmp_path: Path
) -> None:
    data = write_data(tmp_path / "long", words=[4, 30, 60, 8, 90, 12])
    fields = {"data": str(data), "max_seq_length": 33, "long_examples": "split", "loss_chunks": 3}
    whole = prepare(iters=4, save_every=1, keep_last=4, num_layers=2, **fields)
    assert whole.here() == 0
    final = whole.run.checkpoints / "0000004" / "adapters.safetensors"
    wanted, losses = final.read_bytes(), whole.losses
    rest = whole.again("0000002")
    assert rest.here() == 0
    assert rest.losses == losses[2:]
    assert final.read_bytes() == wanted
