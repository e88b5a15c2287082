"""Append-only JSON lines: one writer a file, any number of readers.

A last line that is cut in half is normal: the writer may be in the middle of it, or may have
died there. Readers leave it for later; a writer that comes after starts a line of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

CHUNK_BYTES = 1 << 20


def append(path: Path, line: bytes) -> None:
    """Appends one complete line in a single write; raises OSError (a full disk, say)."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


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
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self.offset:
                    self.offset = 0
                file.seek(self.offset)
                block = file.read(limit_bytes)
                while block and b"\n" not in block:
                    more = file.read(limit_bytes)
                    if not more:
                        return []
                    block += more
        except FileNotFoundError:
            return []
        end = block.rfind(b"\n") + 1
        self.offset += end
        return block[:end].splitlines()
