"""The folder that a fused model is written to: beside it first, then renamed, or nothing at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from cockpit.errors import CockpitError
from cockpit.system import process, whole_file
from cockpit.trainer import disk

# What tells a folder that may be replaced from somebody's own.
MARKER = "cockpit_fuse.json"
MARGIN_BYTES = 32 << 20
_PARTIAL = re.compile(r"\.(\d+)\.partial$")


class FusedFolder:
    """Use it in a ``with``: ``partial`` is there inside, and gone afterwards unless committed."""

    def __init__(self, final: Path, *, force: bool):
        self.final = final
        self.partial = final.with_name(f".{final.name}.{os.getpid()}.partial")
        self._force = force

    def check(self, model: Path, run: Path) -> None:
        """Raises CockpitError if nothing may be written there."""
        final = self.final
        for kept, what in ((model, "the model it was trained on"), (run, "the run itself")):
            if kept.resolve().is_relative_to(final.resolve()):
                raise CockpitError(
                    "The output would replace what it is made from",
                    f"{final}: holds {what}",
                    "Name another folder with --output.",
                )
        if not os.path.lexists(final) or _is_empty(final):
            return
        if final.is_symlink() or not (final / MARKER).is_file():
            raise CockpitError(
                "The output is there already",
                f"{final}: not a folder that cockpit fuse wrote, so --force does not replace it",
                "Name another folder with --output.",
            )
        if not self._force:
            raise CockpitError(
                "The output folder exists",
                f"{final}: a model that was fused before",
                "Replace it with --force, or name another folder with --output.",
            )

    def __enter__(self) -> FusedFolder:
        try:
            self.final.parent.mkdir(parents=True, exist_ok=True)
            self._sweep()
            self.partial.mkdir()
        except OSError as error:
            raise unwritable(error, self.final) from error
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.partial, ignore_errors=True)

    def need(self, size_bytes: int) -> None:
        """Raises CockpitError unless that much can be written there."""
        free = disk.free_bytes(self.partial)
        if free is not None and free < size_bytes + MARGIN_BYTES:
            raise CockpitError(
                "The disk has no room for the fused model",
                f"{self.final.parent}: {size_bytes / 1e9:.2f} GB are needed, "
                f"{free / 1e9:.2f} GB are free",
                "Free some space, or name a folder on another disk with --output.",
            )

    def commit(self) -> None:
        """Makes ``final`` what was written, in one step; what it replaces goes last."""
        try:
            for path in self.partial.iterdir():
                whole_file.sync(path)
            whole_file.sync(self.partial)
            if _is_empty(self.final):
                self.final.rmdir()
            if not self.final.exists():
                self.partial.rename(self.final)
            else:
                self._replace()
            whole_file.sync(self.final.parent)
        except OSError as error:
            raise unwritable(error, self.final) from error

    def _replace(self) -> None:
        old = self.final.with_name(f".{self.final.name}.old.{os.getpid()}.partial")
        self.final.rename(old)
        try:
            self.partial.rename(self.final)
        except OSError:
            old.rename(self.final)
            raise
        shutil.rmtree(old, ignore_errors=True)

    def _sweep(self) -> None:
        """Removes what a process left that was killed while it wrote here."""
        for path in self.final.parent.glob(f".{self.final.name}.*.partial"):
            found = _PARTIAL.search(path.name)
            if found and process.identity(int(found[1])) is None:
                shutil.rmtree(path, ignore_errors=True)


def unwritable(error: OSError | RuntimeError, final: Path) -> CockpitError:
    """Why a folder could not be written, in words; MLX's writer only says that it could not."""
    if not isinstance(error, OSError) or disk.is_full(error):
        where, why = getattr(error, "filename", None), getattr(error, "strerror", None)
        return CockpitError(
            "The disk is full",
            f"{where or final}: {why or error}; nothing was left behind",
            "Free some space, or name a folder on another disk with --output.",
        )
    return CockpitError(
        "The output folder cannot be written",
        f"{error.filename or final}: {error.strerror or error}",
        "Name another folder with --output, or make that one writable.",
    )


def _is_empty(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return not folder.is_symlink() and next(folder.iterdir(), None) is None
    return False
