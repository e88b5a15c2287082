"""What power cuts, dying disks and cosmic rays do to a file, and what has to be noticed."""

from __future__ import annotations

import random
import re
from pathlib import Path

from cockpit.system import checkpoints
from cockpit.system.run_dir import RunDir
from tests.crash.cases import SEAL, Damage, Manner

_SEAL_VALUE = re.compile(rb'^  "sha256": "([0-9a-f]{64})"', re.MULTILINE)


class UnnoticedError(AssertionError):
    """A damaged checkpoint reads as whole, and says something else than before."""


def inflict(run: RunDir, damage: Damage, rng: random.Random) -> Path | None:
    """Damages a file of ``run``; returns the checkpoint that no resume may take from now on."""
    newest = checkpoints.complete(run)[-1]
    before = checkpoints.read(newest)
    _damage(_path(run, newest, damage.file), damage, rng)
    try:
        after = checkpoints.read(newest)
    except checkpoints.DamagedError:
        return newest
    if after != before:
        raise UnnoticedError(f"{damage}: {newest.name} is still taken for whole")
    return None


def _path(run: RunDir, newest: Path, file: str) -> Path:
    where, _, name = file.partition("/")
    folder = {"checkpoint": newest, "attempt": run.attempts()[-1].path, "run": run.path}[where]
    return folder / name.removesuffix(SEAL)


def _damage(path: Path, damage: Damage, rng: random.Random) -> None:
    if not path.exists():
        path.write_bytes(b"")
    content = bytearray(path.read_bytes())
    start, end = 0, len(content)
    if damage.file.endswith(SEAL):
        found = _SEAL_VALUE.search(content)
        assert found is not None, f"{path} has no checksum of its own"
        start, end = found.span(1)
    if start < end:
        _spoil(content, start, end, damage.manner, rng)
    path.write_bytes(content)


def _spoil(content: bytearray, start: int, end: int, manner: Manner, rng: random.Random) -> None:
    if manner == "truncated":
        del content[rng.randrange(start, end) :]
    elif manner == "zeroed":
        content[start:end] = bytes(end - start)
    else:
        content[rng.randrange(start, end)] ^= 1 << rng.randrange(8)
