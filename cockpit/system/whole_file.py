"""Small files that a reader sees whole, whatever dies meanwhile: the old one or the new one."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

# Of the name, so that what stands before and behind it still fits a file system's 255 bytes.
_KEPT_CHARACTERS = 50


def write(path: Path, text: str) -> None:
    """Writes ``text`` as UTF-8 beside ``path`` and renames it. OSError leaves nothing behind."""
    who = f"{os.getpid()}-{threading.get_ident()}"
    partial = path.with_name(f".{path.name[:_KEPT_CHARACTERS]}.{who}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Makes a file, or the names in a folder, outlive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        to_the_medium(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Makes a folder's files and their names outlive a loss of power."""
    for path in folder.iterdir():
        if path.is_file():
            sync(path)
    sync(folder)


def to_the_medium(descriptor: int) -> None:
    """On macOS fsync alone stops at the drive's cache."""
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:
        try:
            fcntl.fcntl(descriptor, full_sync)
            return
        except OSError:
            pass
    os.fsync(descriptor)
