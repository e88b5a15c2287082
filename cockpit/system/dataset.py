"""A data folder, read line by line: how many examples, in which format, and what is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from cockpit.errors import CockpitError
from cockpit.system import dataset_rows as rows
from cockpit.system.dataset_rows import DataKeys, Finding, Format, Severity
from cockpit.system.typed_path import expanded

SplitName = Literal["train", "valid", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")

KEPT_PROBLEMS = 20
MAX_LINE_BYTES = 64 << 20
CHARACTERS_PER_TOKEN = 4.0  # of English text, by and large
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class DataProblem:
    """What is wrong, and where. ``line`` and ``column`` are 1-based; None for a whole file.

    An error keeps the run from starting; a warning is worth knowing.
    """

    path: Path
    message: str
    severity: Severity = "error"
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = f" line {self.line}" if self.line else ""
        place += f", column {self.column}" if self.column else ""
        return f"{self.path}{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """One file. ``characters`` and ``longest_characters`` count the texts of its examples.

    ``problems`` are the first errors and the first warnings; ``errors`` and ``warnings`` count
    all of them. ``checked`` is how many examples were looked into.
    """

    path: Path
    examples: int = 0
    checked: int = 0
    format: Format | None = None
    characters: int = 0
    longest_characters: int = 0
    longest_line: int | None = None
    errors: int = 0
    warnings: int = 0
    problems: tuple[DataProblem, ...] = ()

    @property
    def rough_longest_tokens(self) -> int | None:
        """A guess before any tokenizer is asked: English has about four characters a token."""
        if not self.longest_characters:
            return None
        return math.ceil(self.longest_characters / CHARACTERS_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A data folder; a split without a file is None."""

    folder: Path
    train: SplitSummary | None = None
    valid: SplitSummary | None = None
    test: SplitSummary | None = None
    missing: DataProblem | None = None

    @property
    def splits(self) -> tuple[SplitSummary, ...]:
        return tuple(s for s in (self.train, self.valid, self.test) if s is not None)

    @property
    def train_examples(self) -> int:
        return self.train.examples if self.train else 0

    @property
    def valid_examples(self) -> int:
        return self.valid.examples if self.valid else 0

    @property
    def test_examples(self) -> int:
        return self.test.examples if self.test else 0

    @property
    def format(self) -> Format | None:
        return next((split.format for split in self.splits if split.format), None)

    @property
    def problems(self) -> tuple[DataProblem, ...]:
        """Errors before warnings, train before valid before test."""
        found = [p for split in self.splits for p in split.problems]
        found.sort(key=lambda problem: problem.severity != "error")
        return (self.missing, *found) if self.missing else tuple(found)

    @property
    def first_problem(self) -> DataProblem | None:
        return next((p for p in self.problems if p.severity == "error"), None)

    @property
    def errors(self) -> int:
        return sum(split.errors for split in self.splits) + (self.missing is not None)


def inspect(
    folder: Path, keys: DataKeys | None = None, *, limit: int | None = None
) -> DatasetSummary:
    """Reads a data folder in bounded memory; raises CockpitError if there is no such folder.

    ``limit`` bounds how many examples of a file are looked into; all are counted.
    """
    folder = expanded(folder)
    if not folder.is_dir():
        raise _no_folder(folder)
    found = {
        name: _inspect_file(path, keys or DataKeys(), limit)
        for name in SPLITS
        if (path := folder / f"{name}.jsonl").is_file()
    }
    missing = None if "train" in found else _no_train(folder)
    return DatasetSummary(
        folder, found.get("train"), found.get("valid"), found.get("test"), missing
    )


class _Scan:
    """The tally of one file, line by line."""

    def __init__(self, path: Path, keys: DataKeys):
        self.path, self.keys = path, keys
        self.format: Format | None = None
        self.examples = self.checked = self.characters = self.longest = 0
        self.longest_line: int | None = None
        self.counts: dict[Severity, int] = {"error": 0, "warning": 0}
        self.problems: list[DataProblem] = []

    def note(self, finding: Finding, line: int | None) -> None:
        self.counts[finding.severity] += 1
        kept = sum(problem.severity == finding.severity for problem in self.problems)
        if kept < KEPT_PROBLEMS:
            problem = DataProblem(
                self.path, finding.message, finding.severity, line, finding.column
            )
            self.problems.append(problem)

    def look_at(self, text: bytes, line: int) -> None:
        """Takes one example into the tally."""
        self.examples += 1
        self.checked += 1
        parsed = rows.parse(text)
        if isinstance(parsed, Finding):
            self.note(parsed, line)
            return
        first = self.format is None
        expected = self.format or rows.format_of(parsed, self.keys)
        if expected is None:
            self.note(rows.unknown_format(parsed, self.keys), line)
            return
        row = rows.check(parsed, expected, self.keys)
        if first or row.format == "tools":
            self.format = row.format
        if row.finding:
            self.note(row.finding, line)
        self.characters += row.characters
        if row.characters > self.longest:
            self.longest, self.longest_line = row.characters, line

    def summary(self) -> SplitSummary:
        return SplitSummary(
            self.path,
            examples=self.examples,
            checked=self.checked,
            format=self.format,
            characters=self.characters,
            longest_characters=self.longest,
            longest_line=self.longest_line,
            errors=self.counts["error"],
            warnings=self.counts["warning"],
            problems=tuple(self.problems),
        )


def _inspect_file(path: Path, keys: DataKeys, limit: int | None) -> SplitSummary:
    scan = _Scan(path, keys)
    try:
        with path.open("rb") as file:
            _scan_lines(scan, file, limit)
            if not scan.examples:
                needed: Severity = "error" if path.stem == "train" else "warning"
                scan.note(Finding("the file is empty: it has no example", needed), None)
            file.seek(0)
            return _with_hint(scan.summary(), file.read(64))
    except OSError as error:
        scan.note(Finding(f"it cannot be read: {error.strerror}"), None)
        return scan.summary()


def _scan_lines(scan: _Scan, file: BinaryIO, limit: int | None) -> None:
    empty_line = None
    for number, line in bounded_lines(file):
        if number == 1 and line.startswith(_BOM):
            line = line[len(_BOM) :]
            said = "it starts with a byte order mark, which mlx_lm.lora refuses"
            scan.note(Finding(said, "warning"), 1)
        if not line.strip():
            empty_line = empty_line or number
        elif len(line) > MAX_LINE_BYTES:
            scan.examples += 1
            scan.note(Finding(f"longer than {MAX_LINE_BYTES:,} bytes"), number)
        elif limit is None or scan.checked < limit:
            scan.look_at(line, number)
        else:
            scan.examples += 1
    if empty_line is not None:
        said = "an empty line; it is skipped here, and mlx_lm.lora stops at it"
        scan.note(Finding(said, "warning"), empty_line)


def bounded_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; of one that is too long, the beginning."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        yield number, line
        while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES + 1)


def _with_hint(summary: SplitSummary, start: bytes) -> SplitSummary:
    """Many broken lines from the first on are one JSON document, or no UTF-8 at all."""
    place = next((i for i, p in enumerate(summary.problems) if p.severity == "error"), None)
    if place is None or summary.problems[place].line != 1:
        return summary
    start = start.removeprefix(_BOM).lstrip()
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        said = "the file is UTF-16: save it as UTF-8"
    elif start.startswith((b"[", b"{\n", b"{\r\n")):
        said = "the file is one JSON document: write one object a line instead"
    else:
        return summary
    problems = list(summary.problems)
    problems[place] = replace(problems[place], message=said, column=None)
    return replace(summary, problems=tuple(problems))


def _no_folder(folder: Path) -> CockpitError:
    if folder.is_file():
        return CockpitError(
            "The data is a file, not a folder",
            str(folder),
            f"Name its folder, {folder.parent}, with the file as train.jsonl in it.",
        )
    return CockpitError(
        "There is no such data folder",
        str(folder),
        "Name a folder with train.jsonl (and valid.jsonl) in it.",
    )


def _no_train(folder: Path) -> DataProblem:
    try:
        names = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        return DataProblem(folder, f"it cannot be read: {error.strerror}")
    there = ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
    return DataProblem(folder, f"no train.jsonl; the folder holds {there or 'nothing'}")
