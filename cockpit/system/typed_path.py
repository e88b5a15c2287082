"""Paths as people type them."""

from __future__ import annotations

from pathlib import Path


def expanded(typed: str | Path) -> Path:
    """With ``~`` as the home folder; ``~name`` of nobody stays as it is, a folder called so."""
    path = Path(typed)
    try:
        return path.expanduser()
    except RuntimeError:  # a path is typed letter by letter
        return path
