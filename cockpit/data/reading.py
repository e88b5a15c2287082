"""Any file with examples, whatever its kind, as a stream of numbered rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from cockpit.data.documents import read_document
from cockpit.data.findings import Fault, Tally
from cockpit.data.lines import Note, Numbered, read_lines
from cockpit.data.passages import read_passages
from cockpit.data.sources import Shape, Source, what_it_is
from cockpit.data.tables import read_parquet, read_table

# Bytes read, bytes in all, examples so far.
Progress = Callable[[int, int, int], None]
_TOLD_EVERY = 500  # examples


class Reader:
    """Reads sources one after the other. ``passage_characters`` is for plain text files."""

    def __init__(
        self, sources: Iterable[Source], tally: Tally, passage_characters: int, progress: Progress
    ):
        self._tally = tally
        self._passage_characters = passage_characters
        self._progress = progress
        self._total_bytes = sum(_size(source) for source in sources)
        self._done_bytes = 0
        self._examples = 0

    def rows(self, source: Source) -> Iterator[Numbered]:
        """The rows of one source; what cannot be read is noted and comes as None."""
        shape = what_it_is(source, self._tally)
        if shape is None:
            return

        def note(fault: Fault, line: int | None) -> None:
            self._tally.note(source.path, fault, line)

        try:
            with source.path.open("rb") as file:
                for numbered in self._of_shape(source, shape, file, note):
                    yield numbered
                    self._examples += 1
                    if self._examples % _TOLD_EVERY == 0:
                        self._tell(self._done_bytes + file.tell())
        except OSError as error:
            note(Fault("unreadable", error.strerror or str(error)), None)
        self._done_bytes += _size(source)
        self._tell(self._done_bytes)

    def _of_shape(
        self, source: Source, shape: Shape, file: BinaryIO, note: Note
    ) -> Iterator[Numbered]:
        if shape == "lines":
            return read_lines(file, note)
        if shape == "document":
            return read_document(file, note)
        if shape == "table":
            return read_table(file, note, tabs=source.path.suffix.lower() == ".tsv")
        if shape == "parquet":
            return read_parquet(source.path, note)
        return read_passages(file, self._passage_characters, note)

    def _tell(self, done_bytes: int) -> None:
        self._progress(done_bytes, self._total_bytes, self._examples)


def _size(source: Source) -> int:
    try:
        return source.path.stat().st_size
    except OSError:
        return 0
