"""Removing a run for good."""

from __future__ import annotations

import shutil

from cockpit.errors import CockpitError
from cockpit.system import resume
from cockpit.system.run_dir import RunDir


def delete(run: RunDir) -> None:
    """Removes the run's folder; CockpitError if it is alive or cannot be removed.

    It is renamed first, so that a run half removed is no run any more.
    """
    resume.refuse_if_alive(run)
    doomed = run.path.with_name(f".{run.name}.deleted")
    try:
        run.path.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise CockpitError(
            "The run could not be removed",
            f"{error.filename or run.path}: {error.strerror}",
            "Make the folder writable, or remove it by hand.",
            exit_code=1,
        ) from error
