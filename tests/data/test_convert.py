"""Other layouts become mlx-lm's own beside the original; nothing is lost or written over."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.core.plan import RunPlan
from cockpit.data.convert import REJECTED, convert
from cockpit.data.examine import examine
from cockpit.data.split import parse_shares
from cockpit.errors import CockpitError
from tests.data.folders import (
    FOREIGN,
    GOOD,
    VALID,
    Case,
    chat,
    lines,
    make,
    messages,
    says,
    train,
)

PLAN = RunPlan(model="nano", data="x")
CHATML = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
CHATML += "<|im_start|>assistant\nBecause.<|im_end|>\n"
GEMMA = "<bos><start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\nBecause.<end_of_turn>\n"
WHY = chat("Why?", "Because.")
BRIEF = chat("Why?", "Because.", says("system", "Be brief."))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text("utf-8").splitlines()]


def converted(tmp_path: Path, files: dict[str, bytes], **options: Any) -> Path:
    convert(make(tmp_path / "in", files), tmp_path / "out", PLAN, **options)
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        (
            "train.jsonl",
            lines(
                {
                    "conversations": [
                        {"from": "human", "value": "Why?"},
                        {"from": "gpt", "value": "Because."},
                    ]
                }
            ),
            WHY,
        ),
        (
            "train.jsonl",
            lines(
                {
                    "system": "Be brief.",
                    "conversations": [
                        {"from": "human", "value": "Why?"},
                        {"from": "gpt", "value": "Because."},
                    ],
                }
            ),
            BRIEF,
        ),
        (
            "a.json",
            json.dumps([{"instruction": "Why?", "input": "", "output": "Because."}]).encode(),
            WHY,
        ),
        (
            "a.jsonl",
            lines({"instruction": "Add", "input": "1 2", "output": "3"}),
            chat("Add\n\n1 2", "3"),
        ),
        (
            "a.jsonl",
            lines({"instruction": "b", "output": "c", "history": [["x", "y"]]}),
            messages(
                says("user", "x"), says("assistant", "y"), says("user", "b"), says("assistant", "c")
            ),
        ),
        ("train.jsonl", lines({"text": CHATML}), BRIEF),
        ("train.jsonl", lines({"text": GEMMA}), WHY),
        ("chats.txt", CHATML.encode(), BRIEF),
        ("a.csv", b"question,answer\nWhy?,Because.\n", WHY),
        (
            "a.csv",
            b"prompt;completion\nWhy?;Because.\n",
            {"prompt": "Why?", "completion": "Because."},
        ),
        (
            "a.tsv",
            "\ufeffmessages\n".encode() + b'"[{""role"": ""user"", ""content"": ""Why?""}]"\n',
            messages(says("user", "Why?")),
        ),
        ("a.jsonl", lines({"prompt": "Why?", "chosen": "Because.", "rejected": "No."}), WHY),
        (
            "book.md",
            "# Title\n\nA paragraph – with a dash.\n".encode(),
            {"text": "# Title\n\nA paragraph – with a dash."},
        ),
        ("train.json", json.dumps(WHY, indent=1).encode(), WHY),
    ],
)
def test_a_layout_becomes_mlx_lms_own(
    tmp_path: Path, name: str, content: bytes, wanted: dict[str, Any]
) -> None:
    assert rows(converted(tmp_path, {name: content}) / "train.jsonl") == [wanted]
    assert (tmp_path / "in" / name).read_bytes() == content


@pytest.mark.parametrize("case", FOREIGN, ids=lambda case: case.name)
def test_what_was_converted_can_be_trained_on(tmp_path: Path, case: Case) -> None:
    report = examine(converted(tmp_path, case.files), PLAN.with_changes(batch_size=1))
    assert report.trainable
    assert report.split("train")


def test_splits_are_known_by_their_names(tmp_path: Path) -> None:
    out = converted(
        tmp_path,
        {
            "training_data.json": json.dumps(GOOD).encode(),
            "my-dev.csv": b"prompt,completion\na,b\n",
        },
    )
    assert len(rows(out / "train.jsonl")) == 60
    assert len(rows(out / "valid.jsonl")) == 1


def test_mixed_formats_become_one(tmp_path: Path) -> None:
    out = converted(tmp_path, train({"prompt": "Why?", "completion": "Because."}))
    assert rows(out / "train.jsonl")[-1] == WHY


def test_what_cannot_be_converted_is_listed_with_its_line(tmp_path: Path) -> None:
    bad = [b"{broken\n", {"colour": "red"}, {"text": "loose"}, chat("a", "\ud83d")]
    out = converted(tmp_path, train(*bad))
    assert len(rows(out / "train.jsonl")) == 60
    rejected = rows(out / REJECTED)
    assert [row["line"] for row in rejected] == [61, 62, 63, 64]
    assert [row["code"] for row in rejected] == [
        "invalid-json",
        "unknown-format",
        "mixed-formats",
        "lone-surrogate",
    ]


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_nothing_is_written_over(tmp_path: Path, there: str) -> None:
    out = tmp_path / "out"
    if there == "file":
        out.write_text("mine")
    elif there == "link":
        out.symlink_to(tmp_path / "nowhere")
    else:
        make(out, {"mine.txt": b"mine"})
    with pytest.raises(CockpitError, match="write over"):
        converted(tmp_path, train())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


def test_nothing_is_left_behind_when_nothing_can_be_converted(tmp_path: Path) -> None:
    with pytest.raises(CockpitError, match="Not one") as caught:
        converted(tmp_path, {"train.jsonl": b"{broken\n"})
    assert caught.value.exit_code == 1
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


class TestSplit:
    SHARES = parse_shares("80/10/10")

    def split(self, folder: Path, out: Path, seed: int = 0) -> dict[str, list[dict[str, Any]]]:
        convert(folder, out, PLAN.with_changes(seed=seed), self.SHARES)
        return {path.stem: rows(path) for path in sorted(out.glob("*.jsonl"))}

    def test_the_same_content_and_seed_split_the_same_way(self, tmp_path: Path) -> None:
        folder = make(tmp_path / "a", train())
        turned = make(tmp_path / "b", {"train.jsonl": lines(*reversed(GOOD)), "valid.jsonl": VALID})
        first = self.split(folder, tmp_path / "1")
        assert self.split(folder, tmp_path / "2") == first
        assert self.split(folder, tmp_path / "3", seed=1) != first
        again = self.split(turned, tmp_path / "4")
        assert {n: sorted(map(str, r)) for n, r in again.items()} == {
            n: sorted(map(str, r)) for n, r in first.items()
        }
        assert {name: len(found) for name, found in first.items()} == {
            "train": 54,
            "valid": 7,
            "test": 7,
        }

    def test_twins_stay_together(self, tmp_path: Path) -> None:
        loud = [chat(f"WHAT  is {i} and {i}?", f"it is {i + i}.") for i in range(60)]
        folder = make(tmp_path / "data", train(*loud, *GOOD))
        found = self.split(folder, tmp_path / "out")
        assert all(found.values())
        assert sum(map(len, found.values())) == 188
        codes = {f.code for f in examine(tmp_path / "out", PLAN).findings}
        assert codes.isdisjoint({"leak", "near-leak"})
        assert codes >= {"duplicate", "near-duplicate"}

    def test_a_small_set_leaves_no_split_empty(self, tmp_path: Path) -> None:
        folder = make(tmp_path / "data", {"train.jsonl": lines(*GOOD[:3])})
        assert {n: len(r) for n, r in self.split(folder, tmp_path / "out").items()} == {
            "train": 1,
            "valid": 1,
            "test": 1,
        }

    @pytest.mark.parametrize("text", ["90/5", "a/b/c", "50/50/50", "100", "-10/60/50", "0/50/50"])
    def test_shares_that_make_no_sense(self, text: str) -> None:
        with pytest.raises(CockpitError, match="not understood"):
            parse_shares(text)

    def test_shares_as_percent_or_parts(self) -> None:
        assert parse_shares("90/5/5") == parse_shares("0.9/0.05/0.05") == (0.9, 0.05, 0.05)
        assert parse_shares("90/10") == (0.9, 0.1, 0.0)


def test_parquet_is_read_where_pyarrow_is_and_asked_for_where_it_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "train.parquet"
    if importlib.util.find_spec("pyarrow") is None:
        path.write_bytes(b"PAR1")
        codes = {f.code: f for f in examine(folder, PLAN).findings}
        assert "pip install pyarrow" in codes["parquet-needs-pyarrow"].kind.cure
        return
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(GOOD), path)
    convert(folder, tmp_path / "out", PLAN)
    assert rows(tmp_path / "out" / "train.jsonl") == GOOD
    path.write_bytes(b"PAR1 and no table")
    assert "table-broken" in {f.code for f in examine(folder, PLAN).findings}
