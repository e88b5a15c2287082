"""Kernel files as values: a file that is missing, unreadable or odd is None."""

from __future__ import annotations

from pathlib import Path


def read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def read_bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def read_int(path: Path) -> int | None:
    """The file's single number; None for ``max`` and for anything else."""
    return to_int(read_text(path))


def to_int(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def read_counters(path: Path) -> dict[str, int]:
    """Lines of ``name value``, as in memory.stat, memory.events and vmstat."""
    counters = {}
    for line in (read_text(path) or "").splitlines():
        name, _, value = line.partition(" ")
        if (number := to_int(value)) is not None:
            counters[name] = number
    return counters


def read_kilobytes(path: Path) -> dict[str, int]:
    """Lines of ``Name:  12 kB``, as in meminfo and a process's status, in bytes."""
    sizes = {}
    for line in (read_text(path) or "").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if len(words) == 2 and words[1] == "kB" and (number := to_int(words[0])) is not None:
            sizes[name] = number * 1024
    return sizes
