"""A run goes on with a shorter max_seq_length, also where that leaves whole examples out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.core import events as ev
from tests.trainer.conftest import Training, sentence

Prepare = Callable[..., Training]


@pytest.fixture
def trained(prepare: Prepare, tmp_path: Path) -> Training:
    """Two updates on answers whose prompts are of 2 to 40 words."""
    rng = random.Random(5)
    lines = [
        json.dumps({"prompt": sentence(words, rng), "completion": sentence(5, rng)})
        for words in range(2, 41)
    ]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("\n".join(lines))
    training = prepare(iters=2, data=str(tmp_path / "data"), mask_prompt=True)
    assert training.here() == 0
    return training


def warnings(training: Training) -> str:
    return "\n".join(note.message for note in training.events(ev.Note) if note.level == "warning")


def test_prompts_that_are_too_long_now_are_left_out_and_that_is_said(trained: Training) -> None:
    rest = trained.again("0000002", iters=4, max_seq_length=33)
    assert rest.here() == 0, rest.log
    assert [event.update for event in rest.events(ev.Updated)] == [3, 4]
    before, now = (t.one(ev.ModelLoaded).train_examples for t in (trained, rest))
    assert now < before == 39
    assert "max_seq_length: 96 -> 33" in warnings(rest)
    assert "left out" in warnings(rest) and "drawn anew" in warnings(rest)


def test_other_examples_are_refused_all_the_same(trained: Training) -> None:
    train = Path(trained.run.plan().data) / "train.jsonl"
    train.write_text(train.read_text().replace("cat", "dog"))
    rest = trained.again("0000002", iters=4, max_seq_length=33)
    assert rest.here() == 2
    assert "data: content" in rest.one(ev.Ended).message
