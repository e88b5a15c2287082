"""Lengths and masks are those that mlx-lm's own data sets would give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlx_lm.tuner.datasets import create_dataset
from mlx_lm.utils import load_tokenizer

from cockpit.core.plan import RunPlan
from cockpit.data.examine import examine
from cockpit.data.rows import look_at
from cockpit.data.tokens import ModelTokens
from cockpit.embedded import demo_data_path, nano_path
from tests.data.folders import GOOD, PAIRS, TEXTS, TOOL, chat, line, lines, make

Tokens = Callable[..., ModelTokens]


class _Settings:
    def __init__(self, mask_prompt: bool):
        self.mask_prompt = mask_prompt


def expected(rows: list[dict[str, Any]], mask_prompt: bool) -> list[tuple[list[int], int]]:
    """Tokens and where the loss starts, by mlx-lm."""
    dataset = create_dataset(rows, load_tokenizer(nano_path()), _Settings(mask_prompt))
    return [dataset.process(dataset[i]) for i in range(len(dataset))]


@pytest.mark.parametrize("mask_prompt", [False, True])
@pytest.mark.parametrize("rows", [GOOD, PAIRS, [GOOD[0] | {"tools": [TOOL]}]])
def test_chats_as_mlx_lm_counts_them(
    rows: list[dict[str, Any]], mask_prompt: bool, tokens: Tokens
) -> None:
    found = tokens("nano", mask_prompt).encode([look_at(row) for row in rows])
    wanted = expected(rows, mask_prompt)
    assert [(e.length, e.offset) for e in found] == [(len(ids), at) for ids, at in wanted]


def test_plain_text_as_mlx_lm_counts_it(tokens: Tokens) -> None:
    rows = [*TEXTS, {"text": "It ends.<|end|>"}]
    found = tokens("nano").encode([look_at(row) for row in rows])
    assert [e.length for e in found] == [len(ids) for ids, _ in expected(rows, False)]


def test_the_rendered_example_is_what_the_trainer_gets(tokens: Tokens) -> None:
    encoder = tokens("nano", True)
    ids, encoded = encoder.tokens_of(look_at(GOOD[7]))
    assert (ids, encoded.offset) == expected([GOOD[7]], True)[0]


def test_the_mask_is_visible_in_the_example(tmp_path: Path, tokens: Tokens) -> None:
    folder = make(tmp_path / "data", {"train.jsonl": lines(*GOOD)})
    plan = RunPlan(model="nano", data="x", mask_prompt=True, max_seq_length=16)
    shown = examine(folder, plan, tokens("nano", True), example=4).example
    assert shown is not None
    assert (shown.number, shown.line) == (4, 4)
    parts = {part.role: part.text for part in shown.parts}
    assert parts["masked"] == "<|user|>What is 3 and 3?<|end|><|assistant|>"
    assert "".join(parts.values()) == "<|user|>What is 3 and 3?<|end|><|assistant|>It is 6.<|end|>"
    assert sum(part.tokens or 0 for part in shown.parts if part.role != "cut") <= 16


def test_one_bad_example_does_not_spoil_its_neighbours(tmp_path: Path, tokens: Tokens) -> None:
    folder = make(tmp_path / "data", {"train.jsonl": lines(*GOOD)})
    with (folder / "train.jsonl").open("ab") as file:
        file.write(line(chat("a", "b", {"role": "system", "content": "c"})))
    report = examine(folder, RunPlan(model="nano", data="x"), tokens("gemma-like"))
    assert (report.splits[0].examples, report.splits[0].usable) == (61, 60)
    (finding,) = [f for f in report.findings if f.code == "template-refuses"]
    assert finding.lines == (61,)
    assert "System role not supported" in finding.detail


def test_a_text_that_the_tokenizer_refuses_is_the_only_one_without_a_length(
    tokens: Tokens,
) -> None:
    texts = ["fine", "half \ud83d", "fine too"]
    found = tokens("nano").encode([look_at({"text": text}) for text in texts])
    assert [encoded.length is None for encoded in found] == [False, True, False]
    assert [fault.code for fault in found[1].faults] == ["not-tokenizable"]


def test_the_demo_data_set_is_sound(tokens: Tokens) -> None:
    plan = RunPlan(model="nano", data="x", mask_prompt=True, max_seq_length=32)
    report = examine(demo_data_path(), plan, tokens("nano", True))
    assert report.findings == ()
    assert json.dumps(report.to_json())
    demo = [json.loads(row) for row in (demo_data_path() / "train.jsonl").open()]
    wanted = sum(len(ids) for ids, _ in expected(demo, True))
    assert report.splits[0].tokens is not None
    assert report.splits[0].tokens.tokens == wanted
