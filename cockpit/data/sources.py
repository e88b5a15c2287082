"""Which files of a folder hold data, what they are by their beginnings, and for which split."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cockpit.data.findings import Fault, Tally
from cockpit.errors import CockpitError
from cockpit.system.dataset import SPLITS, SplitName
from cockpit.system.typed_path import expanded

Shape = Literal["lines", "document", "table", "parquet", "passages"]

_SHAPES: dict[str, Shape] = {
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "document",
    ".csv": "table",
    ".tsv": "table",
    ".parquet": "parquet",
    ".txt": "passages",
    ".text": "passages",
    ".md": "passages",
}
_SPLIT_WORDS: dict[SplitName, frozenset[str]] = {
    "valid": frozenset({"valid", "validation", "val", "dev", "eval"}),
    "test": frozenset({"test", "testing"}),
    "train": frozenset({"train", "training"}),
}
_NOT_DATA = frozenset({"readme", "license", "rejected", "dataset_infos", "dataset_info"})
_BEGINNINGS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((b"\xff\xfe", b"\xfe\xff"), "utf-16"),
    ((b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ"), "compressed"),
    ((b"version https://git-lfs",), "lfs-pointer"),
    ((b"<!doctype html", b"<html"), "web-page"),
)
BOM = b"\xef\xbb\xbf"
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Source:
    """A file with examples. ``own`` is one that mlx-lm reads by its name as it is."""

    path: Path
    split: SplitName
    shape: Shape
    own: bool = False


def find_sources(where: Path, tally: Tally) -> list[Source]:
    """The files to read in a folder, or the one file; CockpitError if there is neither.

    mlx-lm's own three files, if one is there, else whatever could be converted to them.
    """
    where = expanded(where)
    try:
        if where.is_dir():
            return _in_folder(where, tally)
        if where.exists():
            return _one_file(where, tally)
    except OSError as error:
        tally.note(where, Fault("unreadable", error.strerror or str(error)))
        return []
    if where.is_symlink():
        tally.note(where, Fault("unreadable", "the link leads nowhere, or in a circle"))
        return []
    raise CockpitError(
        "There is no such data folder", str(where), "Name a folder with train.jsonl in it."
    )


def what_it_is(source: Source, tally: Tally) -> Shape | None:
    """The shape of a file by its first bytes; None, with a finding, if it cannot be read."""
    try:
        with source.path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        tally.note(source.path, Fault("unreadable", error.strerror or str(error)))
        return None
    for beginnings, code in _BEGINNINGS:
        if head.removeprefix(BOM).lstrip().lower().startswith(tuple(b.lower() for b in beginnings)):
            tally.note(source.path, Fault(code))
            return None
    if source.shape != "lines":
        return source.shape
    if head.removeprefix(BOM).lstrip().startswith((b"[", b"{\n", b"{\r\n")):
        tally.note(source.path, Fault("json-document"))
        return "document"
    return "lines"


def _in_folder(folder: Path, tally: Tally) -> list[Source]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    if not names:
        tally.note(folder, Fault("folder-empty"))
        return []
    own = [
        Source(folder / f"{split}.jsonl", split, "lines", own=True)
        for split in SPLITS
        if f"{split}.jsonl" in names
    ]
    others = list(_candidates(folder, set(names) - {source.path.name for source in own}))
    if any(source.split == "train" for source in own):
        _note_unread(folder, own, others, tally)
        return own
    if not others:
        _note_no_train(folder, names, tally)
        return own
    for source in others:
        code = "misnamed-train" if source.shape == "lines" else "needs-conversion"
        tally.note(source.path, Fault(code, f"{source.path.name} is not train.jsonl"))
    return [*own, *others]


def _one_file(path: Path, tally: Tally) -> list[Source]:
    shape = _SHAPES.get(path.suffix.lower())
    if shape is None or not path.is_file():
        tally.note(path, Fault("no-train", f"{path.name} is of no kind that is known here"))
        return []
    tally.note(path, Fault("needs-conversion", "mlx-lm reads a folder, not a file"))
    return [Source(path, _split_of(path), shape)]


def _candidates(folder: Path, names: set[str]) -> Iterator[Source]:
    for name in sorted(names):
        path = folder / name
        shape = _SHAPES.get(path.suffix.lower())
        if shape and path.stem.lower() not in _NOT_DATA and not path.is_dir():
            yield Source(path, _split_of(path), shape)


def _split_of(path: Path) -> SplitName:
    words = set(re.split(r"[^a-z]+", path.stem.lower()))
    return next((split for split, known in _SPLIT_WORDS.items() if words & known), "train")


def _note_unread(folder: Path, own: list[Source], others: list[Source], tally: Tally) -> None:
    """Other files beside mlx-lm's own: misnamed splits, or just not read."""
    there = {source.split for source in own}
    ignored = []
    for source in others:
        if source.split not in there:
            said = f"{source.path.name} looks like {source.split}.jsonl"
            tally.note(source.path, Fault("misnamed", said))
        else:
            ignored.append(source.path.name)
    if ignored:
        named = ", ".join(ignored[:_NAMED]) + (" and more" if len(ignored) > _NAMED else "")
        tally.note(folder, Fault("not-read", named), count=len(ignored))


def _note_no_train(folder: Path, names: list[str], tally: Tally) -> None:
    there = ", ".join(names[:_NAMED]) + (" and more" if len(names) > _NAMED else "")
    tally.note(folder, Fault("no-train", f"the folder holds {there}"))
