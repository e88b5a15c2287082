"""A failure of the interface itself: kept in full in a file, told in three lines."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from pathlib import Path

from cockpit.core.format import plain
from cockpit.errors import CockpitError
from cockpit.system.home import home

LOG_NAME = "cockpit-crash.log"
KEPT_BYTES = 256 * 1024


def log_path() -> Path:
    return home() / "logs" / LOG_NAME


def report(error: BaseException) -> CockpitError:
    """Writes the traceback to the log; returns what to say about it."""
    error = cause_of(error)
    said = plain("".join(traceback.format_exception_only(error)).strip())
    try:
        where = f"The details are in {append(error)}"
    except OSError as failure:
        where = f"The details could not be written to {log_path()}: {failure.strerror}"
    return CockpitError(
        f"The cockpit itself failed: {said}",
        where,
        "Training is not touched and goes on; come back with: cockpit runs",
        exit_code=1,
    )


def cause_of(error: BaseException) -> BaseException:
    """What failed in a worker, which textual wraps."""
    wrapped = getattr(error, "error", None)
    return wrapped if isinstance(wrapped, BaseException) else error


def append(error: BaseException) -> Path:
    """Adds the traceback to the log, of which the newest part is kept; raises OSError."""
    path = log_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_bytes()[-KEPT_BYTES:] if path.exists() else b""
    lines = "".join(traceback.format_exception(error))
    entry = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n{lines}\n".encode(errors="replace")
    path.write_bytes((before + entry)[-KEPT_BYTES:])
    return path
