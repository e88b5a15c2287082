"""Data in any layout that is recognized, written as mlx-lm's own beside the original."""

from __future__ import annotations

import json
import os
import shutil
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cockpit.core.plan import RunPlan
from cockpit.data import forms, twins
from cockpit.data.findings import Fault, Tally, kinds
from cockpit.data.lines import Row
from cockpit.data.reading import Progress, Reader
from cockpit.data.rows import look_at
from cockpit.data.sources import Source, find_sources
from cockpit.data.split import Shares, assign
from cockpit.errors import CockpitError
from cockpit.system.dataset import CHARACTERS_PER_TOKEN, SPLITS, SplitName
from cockpit.system.dataset_rows import DataKeys
from cockpit.system.typed_path import expanded

REJECTED = "rejected.jsonl"
_POOL = "pool.jsonl"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written where. ``forms`` counts the layouts that were found."""

    folder: Path
    examples: dict[str, int]
    rejected: int
    forms: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "examples": self.examples,
            "rejected": self.rejected,
            "layouts": self.forms,
        }


def convert(
    where: Path,
    out: Path,
    plan: RunPlan,
    shares: Shares | None = None,
    progress: Progress = lambda done, total, count: None,
) -> Conversion:
    """Writes train, valid and test.jsonl into the new folder ``out``; the original stays as it is.

    With ``shares`` everything is pooled and split anew by content and ``plan.seed``. What cannot
    be converted is listed in ``rejected.jsonl``. CockpitError if ``out`` is there already, or if
    not one example could be converted; then nothing is left behind.
    """
    tally = Tally()
    # Training examples first: their layout decides.
    sources = sorted(find_sources(where, tally), key=lambda source: SPLITS.index(source.split))
    with _new_folder(expanded(out)) as folder:
        passage = int(plan.max_seq_length * CHARACTERS_PER_TOKEN * 3 / 4)
        reader = Reader(sources, tally, passage, progress)
        writer = _Writer(folder, DataKeys.of(plan), pooled=shares is not None)
        with writer.files:
            for source in sources:
                writer.take(source, reader, tally)
        if not sum(writer.written.values()):
            raise _nothing(where, tally, writer)
        counts = dict(writer.written)
        if shares is not None:
            counts = _distribute(folder, assign(writer.identities, shares, plan.seed))
    return Conversion(out, counts, writer.rejected, writer.forms)


@dataclass(slots=True)
class _Writer:
    """Writes rows as they come; with ``pooled`` into one file, with the identity of each."""

    folder: Path
    keys: DataKeys
    pooled: bool
    written: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    forms: dict[str, int] = field(default_factory=dict)
    identities: array[int] = field(default_factory=lambda: array("Q"))
    files: ExitStack = field(default_factory=ExitStack)
    _open: dict[str, IO[bytes]] = field(default_factory=dict)
    _kind: frozenset[str] = frozenset()
    _texts: list[str] = field(default_factory=list)
    first_fault: Fault | None = None

    def take(self, source: Source, reader: Reader, tally: Tally) -> None:
        for line, row in reader.rows(source):
            result = Fault("invalid-json") if row is None else self._converted(row)
            if isinstance(result, Fault):
                self._reject(source, line, result)
            else:
                self._write(source, line, result)

    def _converted(self, row: Row) -> Row | Fault:
        form = forms.form_of(row, self.keys)
        if form is None:
            return Fault("unknown-format")
        own = forms.to_own(row, form, self.keys)
        if isinstance(own, Fault):
            return own
        chat = forms.unmarked(own)
        if chat is not own:
            form = "text formatted for chat"
        result = self._of_one_kind(chat)
        if isinstance(result, Fault):
            return result
        example = look_at(result)
        broken = (f for f in example.faults if kinds()[f.code].severity == "error")
        if fault := next(broken, None):
            return fault
        self.forms[form] = self.forms.get(form, 0) + 1
        self._texts = example.texts
        return result

    def _of_one_kind(self, row: Row) -> Row | Fault:
        """mlx-lm reads all lines like the first: prompts become chats where chats came first."""
        kind = frozenset(row) - {"tools"}
        self._kind = self._kind or kind
        if kind == self._kind:
            return row
        if self._kind == {"messages"} and "prompt" in row:
            question = {"role": "user", "content": row["prompt"]}
            answer = {"role": "assistant", "content": row["completion"]}
            rest = {key: row[key] for key in ("tools",) if key in row}
            return {"messages": [question, answer]} | rest
        return Fault("mixed-formats", f"{', '.join(kind)} after {', '.join(self._kind)}")

    def _write(self, source: Source, line: int, row: Row) -> None:
        try:
            text = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        except UnicodeEncodeError:
            self._reject(source, line, Fault("lone-surrogate"))
            return
        name = "pool" if self.pooled else source.split
        self._file(f"{name}.jsonl").write(text)
        self.written[name] = self.written.get(name, 0) + 1
        if self.pooled:
            self.identities.append(twins.loose_identity(self._texts))

    def _reject(self, source: Source, line: int, fault: Fault) -> None:
        self.rejected += 1
        self.first_fault = self.first_fault or fault
        why = {"file": str(source.path), "line": line, "code": fault.code, "why": fault.detail}
        self._file(REJECTED).write(json.dumps(why).encode() + b"\n")

    def _file(self, name: str) -> IO[bytes]:
        if name not in self._open:
            file = (self.folder / name).open("wb")
            self._open[name] = self.files.enter_context(file)
        return self._open[name]


def _distribute(folder: Path, names: list[SplitName]) -> dict[str, int]:
    """The pooled lines into their splits, in the order they came."""
    counts: dict[str, int] = {}
    pool = folder / _POOL
    with ExitStack() as stack:
        files = {
            name: stack.enter_context((folder / f"{name}.jsonl").open("wb"))
            for name in SPLITS
            if name in names
        }
        for line, name in zip(stack.enter_context(pool.open("rb")), names, strict=True):
            files[name].write(line)
            counts[name] = counts.get(name, 0) + 1
    pool.unlink()
    return {name: counts[name] for name in SPLITS if name in counts}


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder that becomes ``out`` when all went well, and is gone otherwise."""
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise CockpitError(
            "The conversion would write over something",
            f"{out} is there already",
            "Name a folder that is not there yet: --convert OUT",
        )
    made = out.parent / f".{out.name}.partial-{os.getpid()}"
    try:
        made.mkdir(parents=True)
        yield made
        made.rename(out)
    except OSError as error:
        raise CockpitError(
            "The converted data could not be written",
            f"{out}: {error.strerror or error}",
            "Check the room on the disk and that you may write there, or name another folder.",
            exit_code=1,
        ) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _nothing(where: Path, tally: Tally, writer: _Writer) -> CockpitError:
    errors = [finding for finding in tally.findings() if finding.severity == "error"]
    reason = f"{writer.first_fault.code} {writer.first_fault.detail}" if writer.first_fault else ""
    if not reason and errors:
        reason = errors[-1].kind.means
    return CockpitError(
        "Not one example could be converted",
        f"{where}: {reason.strip() or 'no data was found'}",
        f"Look at it first: cockpit data {where}",
        exit_code=1,
    )
