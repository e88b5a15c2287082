"""Runs as a file to take along: which formats there are, and what goes into each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cockpit.core import format as fmt
from cockpit.core import series
from cockpit.errors import CockpitError
from cockpit.system import export_file, run_data, run_export
from cockpit.system.run_dir import RunDir
from cockpit.system.typed_path import expanded
from cockpit.ui import loss_svg
from cockpit.ui.loss_svg import Curve


def as_svg(runs: Sequence[RunDir]) -> Iterator[str]:
    """The losses of all the runs in one plot."""
    curves = [_curve(run) for run in runs]
    title = f"Loss of {runs[0].name}" if len(runs) == 1 else f"Losses of {len(runs)} runs"
    yield loss_svg.picture(title, curves)


FORMATS: dict[str, Callable[[Sequence[RunDir]], Iterator[str]]] = {
    "csv": run_export.as_csv,
    "json": run_export.as_json,
    "svg": as_svg,
}


def pieces(runs: Sequence[RunDir], kind: str) -> Iterator[str]:
    """The export's text; ``kind`` is one of FORMATS."""
    return FORMATS[kind](runs)


def proposed(runs: Sequence[RunDir], kind: str, folder: Path) -> Path:
    """A name for the export that is free in ``folder``."""
    stem = export_file.safe_name(runs[0].name) if len(runs) == 1 else f"{len(runs)}-runs"
    return export_file.free_path(folder, stem, kind)


def format_of(path: Path) -> str | None:
    """The format that a file's ending names; None if it names none."""
    kind = path.suffix.removeprefix(".").lower()
    return kind if kind in FORMATS else None


def chosen(typed: str) -> tuple[Path, str]:
    """The whole path and the format that a person typed; CockpitError if the ending names none."""
    path = expanded(typed).absolute()
    kind = format_of(path)
    if kind is None:
        endings = ", ".join(f".{name}" for name in FORMATS)
        remedy = f"End it in one of {endings}."
        raise CockpitError("The ending of the file says no format", str(path), remedy)
    return path, kind


def _curve(run: RunDir) -> Curve:
    train: list[tuple[int, float]] = []
    validations: list[tuple[int, float]] = []
    for row in run_data.rows(run):
        for points, loss in ((train, row.train_loss), (validations, row.validation_loss)):
            if loss is not None:
                points.append((row.update, loss))
                if len(points) >= series.MOST_POINTS:
                    keep = series.kept(points, lambda p: p[0], lambda p: p[1])
                    points[:] = [points[index] for index in keep]
    return Curve(run.name, _about(train, validations), tuple(train), tuple(validations))


def _about(train: Sequence[tuple[int, float]], validations: Sequence[tuple[int, float]]) -> str:
    said = []
    if train:
        said.append(f"training {fmt.loss(train[-1][1])} at update {train[-1][0]:,}")
    numbers = [point for point in validations if point[1] == point[1]]
    if numbers:
        update, loss = min(numbers, key=lambda point: point[1])
        said.append(f"best validation {fmt.loss(loss)} at {update:,}")
    return ", ".join(said)
