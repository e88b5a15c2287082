"""The rows of a list of runs: each run's summary, its tags and its validation losses."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cockpit.system import best_validation, run_dir, tags
from cockpit.system.summary import RunSummary, digest, summary


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run's summary and what that leaves out; None is unknown, or was not asked for."""

    summary: RunSummary
    tags: tuple[str, ...] = ()
    validation_loss: float | None = None
    best_loss: float | None = None


def read(*, validations: bool = True) -> list[RunRow]:
    """All runs, newest first. Never raises for a damaged one.

    ``validations``: also their losses, for which each event file is searched once.
    """
    rows = []
    for run in run_dir.all_runs():
        last = best = None
        if validations:
            found = [v.loss for v in digest(run).validations if math.isfinite(v.loss)]
            last = found[-1] if found else None
            best = best_validation.of(run)
        rows.append(RunRow(summary(run), tags.read(run), last, best))
    return rows
