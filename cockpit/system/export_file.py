"""A file that a person asked for: whole or not at all, and never over another by surprise."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from cockpit.errors import CockpitError

_MOST_CHARACTERS = 120


def safe_name(text: str) -> str:
    """``text`` as a file name that no shell, terminal or file system takes for anything else."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    return slug[:_MOST_CHARACTERS] or "run"


def free_path(folder: Path, stem: str, ending: str) -> Path:
    """``stem`` with its ending in ``folder``, or with a number if that is taken already."""
    names = itertools.chain((stem,), (f"{stem}-{number}" for number in itertools.count(2)))
    paths = (folder / f"{name}.{ending}" for name in names)
    return next(path for path in paths if not os.path.lexists(path))


def write(path: Path, pieces: Iterable[str], *, over: bool = False) -> None:
    """Writes ``pieces`` as UTF-8, beside and renamed.

    Without ``over`` an existing file is left alone. Raises CockpitError for that, and where the
    folder takes no file; what cannot be made leaves nothing behind.
    """
    try:
        if _is_device(path):
            with path.open("w", encoding="utf-8", newline="") as file:
                file.writelines(pieces)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if not over and os.path.lexists(path):
            raise already_there(path)
        _write_beside(path, pieces, over=over)
    except OSError as error:
        raise CockpitError(
            "The file could not be written",
            f"{path}: {error.strerror or error}",
            "Name a file in a folder you can write to, with space left.",
            exit_code=1,
        ) from error


def already_there(path: Path, remedy: str = "Name another file.") -> CockpitError:
    """The failure of a file that is not to be written over."""
    return CockpitError("There is something of that name already", str(path), remedy)


def _reserved(path: Path) -> bool:
    """Takes a name that is free, so that nobody else does meanwhile; False if it is not."""
    try:
        path.open("x").close()
    except FileExistsError:
        return False
    return True


def _write_beside(path: Path, pieces: Iterable[str], *, over: bool) -> None:
    """The name is taken last: whatever ends this meanwhile leaves no empty file of that name."""
    partial = path.with_name(f".{path.name[:_MOST_CHARACTERS]}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        if not (over or _reserved(path)):
            raise already_there(path)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def _is_device(path: Path) -> bool:
    """Whether it is a terminal, a pipe or the like, which a rename would replace by a file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
