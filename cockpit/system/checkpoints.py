"""The checkpoints of a run as anyone may read them: which there are, and whether they are whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cockpit.core.checkpoint_state import (
    RESUME_NAME,
    STATE_NAME,
    ResumeRequest,
    TrainerState,
    is_as_sealed,
)
from cockpit.errors import CockpitError
from cockpit.system.run_dir import RunDir

PARTIAL = ".partial"
REPLACED = ".replaced" + PARTIAL


class DamagedError(Exception):
    """A checkpoint that cannot be used; the text names the file and what is wrong with it."""


def name_of(update: int) -> str:
    return f"{update:07d}"


def complete(run: RunDir) -> list[Path]:
    """Complete checkpoints, the newest last.

    Newest is the last along the run's own line: an attempt that went back to an earlier
    checkpoint left those after it behind, and they come first here.
    """
    line = _line(run)
    return sorted(_folders(run), key=lambda folder: _place(folder, line))


def updates(run: RunDir) -> list[int]:
    """The updates that there is a complete checkpoint of, in order: old ones are deleted."""
    return sorted(int(folder.name) for folder in _folders(run))


def on_the_line(run: RunDir) -> list[Path]:
    """Those of ``complete`` that the run as it is now came by."""
    line = _line(run)
    return [folder for folder in complete(run) if _place(folder, line)[0]]


def read(folder: Path) -> TrainerState:
    """The state of a checkpoint, after comparing its files with their checksums; DamagedError."""
    state = read_state(folder)
    for name, digest in state.files.items():
        try:
            found = sha256(folder / name)
        except OSError as error:
            raise DamagedError(f"{folder / name}: {error.strerror}") from error
        if found != digest:
            raise DamagedError(f"{folder / name}: its checksum is wrong")
    return state


def read_state(folder: Path) -> TrainerState:
    """What a checkpoint's state.json says, its other files unseen; DamagedError."""
    path = folder / STATE_NAME
    try:
        return TrainerState.model_validate(_sealed_document(path))
    except OSError as error:
        raise DamagedError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise DamagedError(f"{path}: it is damaged") from error


def newest_whole(run: RunDir) -> tuple[Path, TrainerState, list[str]]:
    """The newest checkpoint that can be used, and what is wrong with those that were passed over.

    Raises CockpitError if there is none.
    """
    passed_over: list[str] = []
    for folder in reversed(complete(run)):
        try:
            return folder, read(folder), passed_over
        except DamagedError as error:
            passed_over.append(str(error))
    raise CockpitError(
        "There is no checkpoint that can be used" if passed_over else "There is no checkpoint yet",
        "\n".join(passed_over) or f"{run.checkpoints}: nothing was saved",
        f"Start over with the same plan: cockpit train {run.plan_path}",
    )


def settle(run: RunDir) -> None:
    """Tidies up after a trainer that died while saving; only when none is alive.

    What was half written goes. A checkpoint that was just giving way to one of its own name
    comes back if that one never arrived.
    """
    for path in run.checkpoints.glob("*" + REPLACED):
        original = path.with_name(path.name.removesuffix(REPLACED))
        if not original.exists() and (path / STATE_NAME).is_file():
            with contextlib.suppress(OSError):
                path.rename(original)
    for path in run.checkpoints.glob("*" + PARTIAL):
        remove(path)


def remove(folder: Path) -> None:
    """Deletes a folder of files, as far as that can be done."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def raw_state(folder: Path) -> dict[str, Any]:
    """The fields in state.json as they are there; empty if it is missing or damaged."""
    try:
        return _sealed_document(folder / STATE_NAME)
    except (OSError, DamagedError):
        return {}


def _sealed_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedError(f"{path}: it is damaged") from error
    if not isinstance(document, dict):
        raise DamagedError(f"{path}: it is damaged")
    if not is_as_sealed(document):
        raise DamagedError(f"{path}: its checksum is wrong")
    return document


def request(path: Path) -> ResumeRequest | None:
    """The resume.json in an attempt's folder, None without one; ValueError if it is damaged."""
    try:
        return ResumeRequest.model_validate_json((path / RESUME_NAME).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(error.strerror) from error


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folders(run: RunDir) -> list[Path]:
    if not run.checkpoints.is_dir():
        return []
    found = [p for p in run.checkpoints.iterdir() if re.fullmatch(r"\d{7,}", p.name)]
    return [p for p in found if (p / STATE_NAME).is_file()]


def _line(run: RunDir) -> dict[int, int | None]:
    """For each attempt the last update of its that the run still stands on; None is any."""
    limits: dict[int, int | None] = {}
    limit: int | None = None
    for attempt in reversed(run.attempts()):
        limits[attempt.number] = limit
        try:
            asked = request(attempt.path)
        except ValueError:
            continue
        start = int(asked.checkpoint) if asked and asked.checkpoint.isdecimal() else 0
        limit = start if limit is None else min(limit, start)
    return limits


def _place(folder: Path, line: dict[int, int | None]) -> tuple[bool, int, int, int]:
    """Sorts: off the line first, then by attempt and update, as it was written.

    One whose state is damaged counts as its attempt's latest, so that it is met and reported.
    """
    update = int(folder.name)
    attempt = raw_state(folder).get("attempt")
    written = 0
    with contextlib.suppress(OSError):
        written = (folder / STATE_NAME).stat().st_mtime_ns
    if not isinstance(attempt, int):
        return True, max(line, default=0), update, written
    limit = line.get(attempt)
    return limit is None or update <= limit, attempt, update, written
