"""A data folder is told as it is: counts, format, and every fault with its file and line."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from cockpit.errors import CockpitError
from cockpit.system.dataset import KEPT_PROBLEMS, DataProblem, DatasetSummary, inspect
from cockpit.system.dataset_rows import DataKeys

CHAT = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho!"}]}
TOOLS = CHAT | {"tools": [{"type": "function", "function": {"name": "f"}}]}
COMPLETION = {"prompt": "hi", "completion": "ho!"}
TEXT = {"text": "hiho!"}


def write(folder: Path, name: str = "train", *rows: Any) -> Path:
    """A split; a row is an object, or the bytes of a line as they are."""
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path = folder / f"{name}.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def only_problem(summary: DatasetSummary) -> DataProblem:
    assert len(summary.problems) == 1, summary.problems
    return summary.problems[0]


@pytest.mark.parametrize(
    ("row", "expected"),
    [(CHAT, "chat"), (TOOLS, "tools"), (COMPLETION, "completions"), (TEXT, "text")],
)
def test_formats_and_counts(tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    write(tmp_path, "train", *[row] * 5)
    write(tmp_path, "valid", *[row] * 2)
    write(tmp_path, "test", row)
    found = inspect(tmp_path)
    assert (found.train_examples, found.valid_examples, found.test_examples) == (5, 2, 1)
    assert found.format == expected
    assert found.problems == ()
    assert found.train is not None
    assert (found.train.characters, found.train.longest_characters) == (25, 5)
    assert found.train.rough_longest_tokens == 2


@pytest.mark.parametrize("row", [CHAT, TOOLS, COMPLETION, TEXT, CHAT | TEXT, COMPLETION | CHAT])
def test_the_format_is_the_one_mlx_lm_takes(row: dict[str, Any], tmp_path: Path) -> None:
    from types import SimpleNamespace

    from mlx_lm.tuner.datasets import create_dataset

    names = {
        "ChatDataset": ("chat", "tools"),
        "CompletionsDataset": ("completions",),
        "TextDataset": ("text",),
    }
    write(tmp_path, "train", row)
    taken = type(create_dataset([row], None, SimpleNamespace())).__name__
    assert inspect(tmp_path).format in names[taken]


def test_keys_are_the_plans_own(tmp_path: Path) -> None:
    write(tmp_path, "train", {"q": "hi", "a": "ho"})
    assert inspect(tmp_path).errors == 1
    found = inspect(tmp_path, DataKeys(prompt="q", completion="a"))
    assert (found.format, found.errors) == ("completions", 0)


@pytest.mark.parametrize(
    ("first", "line", "said"),
    [
        (CHAT, b"{'messages': []}", "not valid JSON"),
        (CHAT, b'{"messages": [', "not valid JSON"),
        (CHAT, json.dumps(CHAT).encode() * 2, "needs a line of its own"),
        (CHAT, b"[1, 2]", "found a list"),
        (CHAT, b"null", "found null"),
        (CHAT, b'"text"', "found text"),
        (CHAT, b'{"messages": "\xe9"}', "not UTF-8: byte 0xe9"),
        (CHAT, TEXT, "'messages' is missing"),
        (CHAT, {"messages": "hi"}, "'messages' is text"),
        (CHAT, {"messages": []}, "empty list"),
        (CHAT, {"messages": ["hi"]}, "message 1: text"),
        (CHAT, {"messages": [{"content": "hi"}]}, "'role' is missing"),
        (CHAT, {"messages": [{"from": "human", "value": "hi"}]}, "rename 'from' to 'role'"),
        (
            CHAT,
            {"messages": [*CHAT["messages"], {"role": "user"}]},
            "message 3: 'content' is missing",
        ),
        (CHAT, {"messages": [{"role": "user", "content": None}]}, "'content' is null"),
        (CHAT, {"messages": [{"role": 1, "content": "x"}]}, "'role' is a number"),
        (CHAT, CHAT | {"tools": "f"}, "'tools' is text"),
        (COMPLETION, {"prompt": "hi"}, "'completion' is missing"),
        (COMPLETION, {"prompt": "hi", "completion": 3}, "'completion' is a number"),
        (COMPLETION, {"prompt": "hi", "completion": ""}, "'completion' is empty"),
        (TEXT, {"text": ["a"]}, "'text' is a list"),
        (TEXT, {"text": True}, "'text' is true or false"),
        (TEXT, {"text": ""}, "'text' is empty"),
        (TEXT, {}, "'text' is missing"),
        (TEXT, CHAT, "'text' is missing"),
    ],
)
def test_a_fault_is_named_with_its_line(
    tmp_path: Path, first: dict[str, Any], line: Any, said: str
) -> None:
    path = write(tmp_path, "train", first, first, line, first)
    found = inspect(tmp_path)
    problem = only_problem(found)
    assert (problem.path, problem.line, problem.severity) == (path, 3, "error")
    assert said in problem.message
    assert str(problem).startswith(f"{path} line 3")
    assert found.first_problem == problem
    assert found.train_examples == 4


def test_the_column_is_where_the_json_breaks(tmp_path: Path) -> None:
    line = b'{"text": "\xc3\xa9", "more": oops}'
    write(tmp_path, "train", TEXT, line)
    problem = only_problem(inspect(tmp_path))
    assert (problem.line, problem.column) == (2, line.decode().index("oops") + 1)
    assert f"line 2, column {problem.column}" in str(problem)


def test_no_key_that_mlx_lm_knows(tmp_path: Path) -> None:
    write(tmp_path, "train", {"instruction": "a", "output": "b"})
    message = only_problem(inspect(tmp_path)).message
    for word in ("'messages'", "'prompt'", "'completion'", "'text'", "'instruction'", "'output'"):
        assert word in message


def test_the_share_gpt_format_is_recognised(tmp_path: Path) -> None:
    write(tmp_path, "train", {"conversations": [{"from": "human", "value": "a"}]})
    assert "rename 'conversations' to 'messages'" in only_problem(inspect(tmp_path)).message


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([("user", "a")], "no assistant message"),
        ([("user", "a"), ("assistant", "b"), ("user", "c")], "ends with a 'user' message"),
        ([("human", "a"), ("assistant", "b")], "unusual role 'human'"),
    ],
)
def test_a_conversation_that_teaches_little_is_a_warning(
    tmp_path: Path, messages: list[tuple[str, str]], said: str
) -> None:
    row = {"messages": [{"role": role, "content": text} for role, text in messages]}
    write(tmp_path, "train", CHAT, row)
    found = inspect(tmp_path)
    problem = only_problem(found)
    assert (problem.severity, problem.line) == ("warning", 2)
    assert said in problem.message
    assert found.errors == 0
    assert found.first_problem is None


def test_a_call_of_a_tool_needs_no_text(tmp_path: Path) -> None:
    call = {"role": "assistant", "tool_calls": [{"type": "function"}]}
    answer = [{"role": "tool", "content": "4"}, {"role": "assistant", "content": "four"}]
    asked = {"role": "user", "content": [{"type": "text", "text": "2+2?"}]}
    write(tmp_path, "train", TOOLS, {"messages": [asked, call, *answer], "tools": None})
    found = inspect(tmp_path)
    assert found.problems == ()
    assert found.train is not None
    assert found.train.longest_characters == 9


def test_an_empty_line_is_skipped_and_told(tmp_path: Path) -> None:
    write(tmp_path, "train", TEXT, b"", b"  ", TEXT, b"")
    found = inspect(tmp_path)
    problem = only_problem(found)
    assert (problem.line, problem.severity) == (2, "warning")
    assert found.train_examples == 2


def test_a_byte_order_mark_is_told_and_read_over(tmp_path: Path) -> None:
    path = write(tmp_path, "train", TEXT)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    found = inspect(tmp_path)
    assert "byte order mark" in only_problem(found).message
    assert (found.train_examples, found.format) == (1, "text")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    text = json.dumps(TEXT) + "\n"
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    (tmp_path / "train.jsonl").write_bytes((mark + text * 3).encode(encoding))
    first = inspect(tmp_path).first_problem
    assert first is not None
    assert "UTF-16" in first.message


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_document_is_not_json_lines(tmp_path: Path, indent: int | None) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps([TEXT, TEXT], indent=indent))
    first = inspect(tmp_path).first_problem
    assert first is not None
    assert "one object a line" in first.message


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train.jsonl").write_bytes(content)
    first = inspect(tmp_path).first_problem
    assert first is not None
    assert "empty" in first.message
    assert first.path == tmp_path / "train.jsonl"


def test_an_empty_validation_file_is_only_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "train", TEXT)
    write(tmp_path, "valid")
    found = inspect(tmp_path)
    assert only_problem(found).severity == "warning"
    assert found.valid_examples == 0


def test_no_train_file_names_what_is_there(tmp_path: Path) -> None:
    for name in ("train.json", "data.csv"):
        (tmp_path / name).write_text("x")
    found = inspect(tmp_path)
    assert "data.csv, train.json" in only_problem(found).message
    assert found.train_examples == 0


def test_no_folder_and_a_file_for_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path, "train", TEXT)
    with pytest.raises(CockpitError) as caught:
        inspect(tmp_path / "missing")
    assert str(tmp_path / "missing") in caught.value.message
    with pytest.raises(CockpitError) as caught:
        inspect(path)
    assert str(tmp_path) in caught.value.remedy


def test_many_faults_are_counted_and_the_first_kept(tmp_path: Path) -> None:
    write(tmp_path, "train", TEXT, *[b"{"] * 500)
    found = inspect(tmp_path)
    assert found.errors == 500
    assert [p.line for p in found.problems] == list(range(2, 2 + KEPT_PROBLEMS))


def test_warnings_do_not_crowd_out_the_error_at_the_end(tmp_path: Path) -> None:
    lonely = {"messages": [{"role": "user", "content": "?"}]}
    write(tmp_path, "train", *[lonely] * 500, b"{")
    first = inspect(tmp_path).first_problem
    assert first is not None
    assert first.line == 501


def test_a_limit_bounds_what_is_looked_into_not_what_is_counted(tmp_path: Path) -> None:
    write(tmp_path, "train", *[TEXT] * 10, b"{", *[TEXT] * 9)
    found = inspect(tmp_path, limit=10)
    assert (found.train_examples, found.errors) == (20, 0)
    assert found.train is not None
    assert found.train.checked == 10


def test_windows_line_ends_and_a_last_line_without_one(tmp_path: Path) -> None:
    text = json.dumps(TEXT).encode()
    (tmp_path / "train.jsonl").write_bytes(text + b"\r\n" + text)
    found = inspect(tmp_path)
    assert (found.train_examples, found.problems) == (2, ())


def test_memory_is_bounded_however_long_the_file(tmp_path: Path) -> None:
    row = json.dumps({"text": "x" * 1000}).encode() + b"\n"
    (tmp_path / "train.jsonl").write_bytes(row * 20_000)
    tracemalloc.start()
    assert inspect(tmp_path).train_examples == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_deep_nesting_is_a_fault_and_not_a_crash(tmp_path: Path) -> None:
    write(tmp_path, "train", TEXT, b"[" * 200_000)
    assert only_problem(inspect(tmp_path)).line == 2
