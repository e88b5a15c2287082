"""Append-only JSON lines: one writer a file, any number of readers.

A last line that is cut in half is normal: the writer may be in the middle of it, or may have
died there. Readers leave it for later; a writer that comes after starts a line of its own.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

CHUNK_BYTES = 1 << 20
# No event is this long; what is longer is damage and is passed over.
LINE_LIMIT_BYTES = 16 << 20


def append(path: Path, line: bytes) -> None:
    """Appends one complete line in a single write; raises OSError (a full disk, say)."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def ends(path: Path, head_bytes: int, tail_bytes: int) -> tuple[list[bytes], list[bytes]]:
    """Complete lines from the start and from the end of a file, each line once.

    All of a short file is its end. Nothing if there is no such file; raises OSError if it
    cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= head_bytes + tail_bytes:
                head, tail = b"", file.read(size)
            else:
                head = file.read(head_bytes)
                # One byte more tells whether the tail starts with a whole line.
                file.seek(size - tail_bytes - 1)
                tail = file.read(tail_bytes + 1).partition(b"\n")[2]
    except FileNotFoundError:
        return [], []
    return lines_of(head), lines_of(tail)


def lines_of(block: bytes) -> list[bytes]:
    """The complete lines in a piece of a file."""
    return block[: block.rfind(b"\n") + 1].split(b"\n")[:-1]


class Tail:
    """Reads a growing file, complete lines only, in bounded memory."""

    def __init__(self, path: Path, offset: int = 0):
        self.path = path
        self.offset = offset

    def read(self, limit_bytes: int = CHUNK_BYTES) -> list[bytes]:
        """Complete lines since the last call, at most about ``limit_bytes`` of them.

        An empty list means that there is nothing new, or no file yet. A file that shrank was
        replaced and is read from its start.
        """
        return lines_of(self.read_block(limit_bytes))

    def read_block(self, limit_bytes: int = CHUNK_BYTES) -> bytes:
        """The same lines in one piece, each with its newline."""
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self.offset:
                    self.offset = 0
                file.seek(self.offset)
                block = file.read(limit_bytes)
                while block and b"\n" not in block:
                    more = file.read(limit_bytes)
                    if len(block) > LINE_LIMIT_BYTES:
                        # Its rest comes as a line of its own, which no reader understands.
                        self.offset += len(block)
                        return b"\n"
                    if not more:
                        return b""
                    block += more
        except FileNotFoundError:
            return b""
        block = block[: block.rfind(b"\n") + 1]
        self.offset += len(block)
        return block

    def unread_bytes(self) -> int:
        """How much there is beyond what was read; 0 without a file."""
        try:
            return max(0, self.path.stat().st_size - self.offset)
        except OSError:
            return 0
