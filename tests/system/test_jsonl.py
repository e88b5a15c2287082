"""Files of JSON lines: what a crash, a full disk or another writer leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.system import jsonl


def test_lines_come_back_as_they_were_written_and_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = jsonl.Tail(path)
    assert tail.read() == []
    jsonl.append(path, b'{"a":1}\n')
    jsonl.append(path, b'{"a":"\\r x"}\n')
    assert tail.read() == [b'{"a":1}', b'{"a":"\\r x"}']
    assert tail.read() == []


def test_half_a_line_waits_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"a":1}\n{"a"')
    tail = jsonl.Tail(path)
    assert tail.read() == [b'{"a":1}']
    assert tail.read() == []
    with path.open("ab") as file:
        file.write(b":2}\n")
    assert tail.read() == [b'{"a":2}']


def test_a_writer_after_a_crash_starts_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"a":1}\n{"a"')
    jsonl.append(path, b'{"a":3}\n')
    assert jsonl.Tail(path).read() == [b'{"a":1}', b'{"a"', b'{"a":3}']


@pytest.mark.parametrize("limit", [1, 7, 64])
def test_a_small_limit_reads_everything_in_the_end(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "events.jsonl"
    lines = [b"%d" % number * (1 + number % 9) for number in range(100)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    tail = jsonl.Tail(path)
    read: list[bytes] = []
    while block := tail.read(limit):
        read += block
    assert read == lines


def test_a_line_without_an_end_is_passed_over_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("wb") as file:
        file.truncate(jsonl.LINE_LIMIT_BYTES * 4)
    tail = jsonl.Tail(path)
    longest = 0
    while block := tail.read():
        longest = max(longest, max(map(len, block)))
    jsonl.append(path, b'{"a":1}\n')
    while block := tail.read():
        last = block[-1]
    assert last == b'{"a":1}'
    assert longest <= jsonl.LINE_LIMIT_BYTES + 2 * jsonl.CHUNK_BYTES


def test_a_file_that_was_replaced_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"one\ntwo\n")
    tail = jsonl.Tail(path)
    tail.read()
    path.write_bytes(b"new\n")
    assert tail.read() == [b"new"]


def test_a_line_cut_by_a_full_disk_is_an_error_not_a_loss(tmp_path: Path) -> None:
    """A file size limit stands in for the disk: write() comes back short just the same."""
    path = tmp_path / "events.jsonl"
    script = (
        "import resource, signal, sys; from pathlib import Path; from cockpit.system import jsonl\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "jsonl.append(Path(sys.argv[1]), b'x' * 80 + b'\\n')\n"
        "try: jsonl.append(Path(sys.argv[1]), b'y' * 80 + b'\\n')\n"
        "except OSError as error: print('refused', error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("refused")
    jsonl.append(path, b"z\n")
    assert jsonl.Tail(path).read()[-1] == b"z"


@pytest.mark.parametrize("head", [0, 10, 500])
@pytest.mark.parametrize("tail", [0, 1, 9, 10, 11, 500])
def test_the_ends_of_a_file_hold_whole_lines_once(tmp_path: Path, head: int, tail: int) -> None:
    path = tmp_path / "events.jsonl"
    lines = [b"line %04d" % number for number in range(40)]
    path.write_bytes(b"\n".join(lines) + b"\nhalf")
    first, last = jsonl.ends(path, head, tail)
    found = first + last
    assert all(line in lines for line in found)
    assert len(set(found)) == len(found)
    assert sorted(found) == found
    assert len(last) >= max(0, min(tail, 404) - 4) // 10
    if head + tail < 404:
        assert len(first) == head // 10
    if head + tail >= path.stat().st_size:
        assert found == lines


def test_a_file_that_is_not_there_has_no_ends(tmp_path: Path) -> None:
    assert jsonl.ends(tmp_path / "none", 10, 10) == ([], [])
