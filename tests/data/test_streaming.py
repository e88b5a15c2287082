"""A data set of any size is read in bounded memory, and says how far it is."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from cockpit.cli import progress, run
from cockpit.core.plan import RunPlan
from cockpit.data.documents import CHUNK_BYTES, read_document
from cockpit.data.examine import examine
from cockpit.data.findings import Fault
from tests.data.folders import chat, line

PLAN = RunPlan(model="nano", data="x")
BYTES_AN_EXAMPLE = 100


def write(folder: Path, count: int) -> Path:
    folder.mkdir()
    with (folder / "train.jsonl").open("wb") as file:
        for i in range(count):
            file.write(line(chat(f"What is {i}? {'Say it. ' * 20}", f"It is {i}. {'So. ' * 20}")))
    return folder


def peak_bytes(folder: Path) -> int:
    tracemalloc.start()
    try:
        examine(folder, PLAN)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_example_takes_a_few_dozen_bytes(tmp_path: Path) -> None:
    few, many = write(tmp_path / "few", 1_000), write(tmp_path / "many", 5_000)
    peak_bytes(few)  # what is loaded once
    grown = peak_bytes(many) - peak_bytes(few)
    assert grown < 4_000 * BYTES_AN_EXAMPLE
    assert (many / "train.jsonl").stat().st_size > 4_000 * 3 * BYTES_AN_EXAMPLE


def test_progress_goes_to_standard_error_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    assert run(["data", str(write(tmp_path / "data", 1_000)), "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["splits"]["train"]["examples"] == 1_000
    assert "reading [" in shown.err
    assert "1,000 examples" in shown.err
    assert "100%" in shown.err


def test_a_document_across_chunks_keeps_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    rows = [{"text": "é" * 3000 + str(i)} for i in range(CHUNK_BYTES // 3000)]
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), "utf-8")
    assert path.stat().st_size > CHUNK_BYTES
    noted: list[Fault] = []
    with path.open("rb") as file:
        found = list(read_document(file, lambda fault, line: noted.append(fault)))
    assert [row for _, row in found] == rows
    assert [number for number, _ in found] == [2 + 3 * i for i in range(len(rows))]
    assert noted == []
