"""Checkpoints on disk: complete or not there, and the newest always usable by mlx-lm.

A checkpoint is written under a ``.partial`` name, every file fsynced, then renamed. ``adapters``
is a relative symlink to the newest: swapping it by rename changes weights and configuration in
one instant, copies nothing, and survives moving the run directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import mlx.core as mx

from cockpit.system.run_dir import RunDir

KEEP_LAST = 3
PARTIAL = ".partial"
STATE_NAME = "state.json"
ADAPTERS_NAME = "adapters.safetensors"
CONFIG_NAME = "adapter_config.json"
OPTIMIZER_NAME = "optimizer.safetensors"


def name_of(update: int) -> str:
    return f"{update:07d}"


def complete(run: RunDir) -> list[Path]:
    """Complete checkpoints, in the order they were written."""
    if not run.checkpoints.is_dir():
        return []
    found = [p for p in run.checkpoints.iterdir() if re.fullmatch(r"\d{7,}", p.name)]
    found = [p for p in found if (p / STATE_NAME).is_file()]
    return sorted(found, key=lambda p: ((p / STATE_NAME).stat().st_mtime_ns, p.name))


def write(
    run: RunDir,
    update: int,
    arrays: dict[str, dict[str, mx.array]],
    documents: dict[str, Any],
    describe: Callable[[dict[str, str]], dict[str, Any]],
) -> Path:
    """Writes ``checkpoints/0000100``: ``arrays`` as safetensors, ``documents`` as JSON.

    ``describe`` gets the sha256 of every file and returns what goes into state.json. On OSError
    nothing is left behind and earlier checkpoints are untouched.
    """
    final = run.checkpoints / name_of(update)
    partial = final.with_name(final.name + PARTIAL)
    try:
        run.checkpoints.mkdir(exist_ok=True)
        clear_partial(run)
        partial.mkdir()
        for name, values in arrays.items():
            _write_arrays(partial / name, values)
        for name, document in documents.items():
            _write_json(partial / name, document)
        digests = {path.name: sha256(path) for path in sorted(partial.iterdir())}
        _write_json(partial / STATE_NAME, describe(digests))
        _sync_folder(partial)
        _replace(partial, final)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return final


def point_adapters(run: RunDir, checkpoint: Path) -> None:
    """Makes ``adapters`` the given checkpoint, in one step; raises OSError."""
    target = os.path.relpath(checkpoint, run.path)
    partial = run.path / (".adapters" + PARTIAL)
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    try:
        partial.symlink_to(target, target_is_directory=True)
    except OSError:
        # A file system without symlinks (exFAT): replace the two files one by one.
        _copy_adapters(checkpoint, run.adapters)
        return
    partial.replace(run.adapters)
    _sync_folder(run.path)


def prune(run: RunDir, keep_last: int = KEEP_LAST) -> list[Path]:
    """Removes all but the last written and the best by validation; returns what was removed."""
    found = complete(run)
    losses = {path: loss for path in found if (loss := _validation_loss(path)) is not None}
    keep = set(found[-keep_last:])
    if losses:
        keep.add(min(losses, key=lambda path: losses[path]))
    removed = [path for path in found if path not in keep]
    for path in removed:
        # Renamed first, so that a half-removed one never passes for a checkpoint.
        doomed = path.with_name(path.name + PARTIAL)
        with contextlib.suppress(OSError):
            path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    return removed


def clear_partial(run: RunDir) -> None:
    """Removes what a trainer that died was writing."""
    for path in run.checkpoints.glob("*" + PARTIAL):
        shutil.rmtree(path, ignore_errors=True)


def size_bytes(checkpoint: Path) -> int:
    return sum(path.stat().st_size for path in checkpoint.iterdir())


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state(checkpoint: Path) -> dict[str, Any] | None:
    """The content of state.json, or None if it is missing or damaged."""
    try:
        document = json.loads((checkpoint / STATE_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _validation_loss(checkpoint: Path) -> float | None:
    loss = (read_state(checkpoint) or {}).get("validation_loss")
    return loss if isinstance(loss, float) else None


def _write_arrays(path: Path, values: dict[str, mx.array]) -> None:
    # Through Python's file, whose errors are seen: mlx's own writer ignores a full disk.
    _write_file(path, lambda file: mx.save_safetensors(file, values))


def _write_json(path: Path, document: Any) -> None:
    text = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
    _write_file(path, lambda file: file.write(text))


def _write_file(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    with path.open("wb") as file:
        fill(file)
        file.flush()
        _sync(file.fileno())


def _sync(descriptor: int) -> None:
    """To the medium; on macOS fsync alone stops at the drive's cache."""
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:
        try:
            fcntl.fcntl(descriptor, full_sync)
            return
        except OSError:
            pass
    os.fsync(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(partial: Path, final: Path) -> None:
    """Renames; a checkpoint of that name from an earlier attempt gives way."""
    replaced = final.with_name(final.name + ".replaced" + PARTIAL)
    if final.exists():
        final.rename(replaced)
    partial.rename(final)
    _sync_folder(final.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _copy_adapters(checkpoint: Path, adapters: Path) -> None:
    adapters.mkdir(exist_ok=True)
    for name in (ADAPTERS_NAME, CONFIG_NAME):
        partial = adapters / (name + PARTIAL)
        shutil.copyfile(checkpoint / name, partial)
        partial.replace(adapters / name)
    _sync_folder(adapters)
