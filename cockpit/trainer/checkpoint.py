"""Checkpoints on disk: complete or not there, and the newest always usable by mlx-lm.

A checkpoint is written under a ``.partial`` name, every file fsynced, then renamed. ``adapters``
is a relative symlink to the newest: swapping it by rename changes weights and configuration in
one instant, copies nothing, and survives moving the run directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import mlx.core as mx

from cockpit.core.checkpoint_state import STATE_NAME, seal
from cockpit.core.plan import RunPlan
from cockpit.system import whole_file
from cockpit.system.checkpoints import (
    PARTIAL,
    REPLACED,
    complete,
    name_of,
    on_the_line,
    raw_state,
    remove,
    settle,
    sha256,
)
from cockpit.system.run_dir import RunDir

ADAPTERS_NAME = "adapters.safetensors"
CONFIG_NAME = "adapter_config.json"
OPTIMIZER_NAME = "optimizer.safetensors"


@dataclass(frozen=True, slots=True)
class Keep:
    """Which checkpoints stay: the ``last`` ones, the ``best``, and those of every ``every``th
    update (0: none)."""

    last: int = 3
    best: bool = True
    every: int = 0

    @classmethod
    def of(cls, plan: RunPlan) -> Keep:
        return cls(
            plan.keep_last, plan.keep_best, plan.keep_every * plan.in_updates(plan.save_every)
        )


def write(
    run: RunDir,
    update: int,
    arrays: dict[str, dict[str, mx.array]],
    documents: dict[str, Any],
    describe: Callable[[dict[str, str]], dict[str, Any]],
) -> Path:
    """Writes ``checkpoints/0000100``: ``arrays`` as safetensors, ``documents`` as JSON.

    ``describe`` gets the sha256 of every file and returns what goes into state.json, which is
    sealed with one of its own. On OSError nothing is left behind and earlier checkpoints are
    untouched.
    """
    final = run.checkpoints / name_of(update)
    partial = final.with_name(final.name + PARTIAL)
    try:
        run.checkpoints.mkdir(exist_ok=True)
        settle(run)
        partial.mkdir()
        for name, values in arrays.items():
            _write_arrays(partial / name, values)
        for name, document in documents.items():
            _write_json(partial / name, document)
        digests = {path.name: sha256(path) for path in sorted(partial.iterdir())}
        _write_json(partial / STATE_NAME, seal(describe(digests)))
        whole_file.sync(partial)
        _replace(partial, final)
    except OSError:
        remove(partial)
        raise
    return final


def point_adapters(run: RunDir, checkpoint: Path) -> None:
    """Makes ``adapters`` the given checkpoint, in one step; raises OSError."""
    _point(run, run.adapters, checkpoint)


def point_best(run: RunDir, *, wanted: bool = True) -> None:
    """Makes ``best`` the run's checkpoint with the lowest validation loss, or removes it."""
    found = best(on_the_line(run)) if wanted else None
    if found is not None:
        _point(run, run.best, found)
    elif run.best.is_symlink():
        run.best.unlink()


def best(found: list[Path]) -> Path | None:
    """The first of those with the lowest validation loss; None if none was measured."""
    losses = {path: loss for path in found if (loss := _validation_loss(path)) is not None}
    return min(losses, key=lambda path: losses[path], default=None)


def _point(run: RunDir, link: Path, checkpoint: Path) -> None:
    partial = run.path / f".{link.name}{PARTIAL}"
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    try:
        partial.symlink_to(os.path.relpath(checkpoint, run.path), target_is_directory=True)
    except OSError:
        # A file system without symlinks (exFAT): replace the two files one by one.
        _copy_adapters(checkpoint, link)
        return
    partial.replace(link)
    whole_file.sync(run.path)


def prune(run: RunDir, keep: Keep = Keep()) -> list[Path]:
    """Removes what ``keep`` does not keep, and returns it; a damaged one counts for nothing."""
    found = [path for path in complete(run) if raw_state(path)]
    kept = set(found[-keep.last :])
    if keep.best:
        kept.add(best(on_the_line(run)) or found[-1])
    if keep.every:
        kept |= {path for path in found if int(path.name) % keep.every == 0}
    removed = [path for path in found if path not in kept]
    for path in removed:
        # Renamed first, so that a half-removed one never passes for a checkpoint.
        doomed = path.with_name(path.name + PARTIAL)
        with contextlib.suppress(OSError):
            path.rename(doomed)
        remove(doomed)
    return removed


def size_bytes(checkpoint: Path) -> int:
    return sum(path.stat().st_size for path in checkpoint.iterdir())


def _validation_loss(checkpoint: Path) -> float | None:
    loss = raw_state(checkpoint).get("validation_loss")
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
        whole_file.to_the_medium(file.fileno())


def _replace(partial: Path, final: Path) -> None:
    """Renames; a checkpoint of that name from an earlier attempt gives way."""
    replaced = final.with_name(final.name + REPLACED)
    if final.exists():
        final.rename(replaced)
    partial.rename(final)
    whole_file.sync(final.parent)
    remove(replaced)


def _copy_adapters(checkpoint: Path, adapters: Path) -> None:
    adapters.mkdir(exist_ok=True)
    for name in (ADAPTERS_NAME, CONFIG_NAME):
        partial = adapters / (name + PARTIAL)
        shutil.copyfile(checkpoint / name, partial)
        partial.replace(adapters / name)
    whole_file.sync(adapters)
