"""Verdicts that were reached here, in one readable file: ``compatibility.json`` in the home.

One record for each twin or real model, packing and pair of versions; a newer one replaces it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cockpit.check.shrink import fingerprint
from cockpit.check.stages import Report, packing_of
from cockpit.errors import CockpitError
from cockpit.system import whole_file
from cockpit.system.home import home
from cockpit.system.software import installed_version


def path() -> Path:
    return home() / "compatibility.json"


def load() -> list[Report]:
    """Every verdict, oldest first. A record that cannot be read is left out."""
    try:
        records = json.loads(path().read_bytes())["verdicts"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    found = []
    for record in records if isinstance(records, list) else []:
        with contextlib.suppress(ValidationError):
            found.append(Report.model_validate(record))
    return found


def save(report: Report) -> None:
    """Adds a verdict, in place of an earlier one on the same; CockpitError if it cannot."""
    try:
        home().mkdir(parents=True, exist_ok=True)
        with _locked():
            kept = [known for known in load() if _key(known) != _key(report)]
            document = {"verdicts": [r.model_dump(mode="json") for r in (*kept, report)]}
            whole_file.write(path(), json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise CockpitError(
            "The verdict could not be saved",
            f"{error.filename or path()}: {error.strerror}",
            "Make the folder writable, or set COCKPIT_HOME to another one.",
            exit_code=1,
        ) from error


class Known:
    """The verdicts that hold for the installed versions, by model and packing."""

    def __init__(self) -> None:
        versions = installed_version("mlx"), installed_version("mlx-lm")
        self._here = [r for r in load() if (r.mlx, r.mlx_lm) == versions]

    def of(self, name: str, config: Mapping[str, Any]) -> Report | None:
        """Of real weights of that name if there is one, else of the twin; None if neither is."""
        twin = fingerprint(config, packing_of(config))
        same = [r for r in self._here if r.fingerprint == twin]
        real = [r for r in same if r.weights == "real" and r.model == name]
        twins = [r for r in same if r.weights == "twin"]
        return next(reversed(real or twins), None)

    def word(self, name: str, config: Mapping[str, Any]) -> str | None:
        """``passed`` or what fails; None for what was not checked."""
        report = self.of(name, config)
        return report.word if report else None


def _key(report: Report) -> tuple[str, ...]:
    which = report.model if report.weights == "real" else ""
    return report.weights, which, report.fingerprint, report.mlx, report.mlx_lm


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    with path().with_name(".compatibility.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
