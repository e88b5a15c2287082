"""``cockpit compare``: two to six runs side by side, with their curves in one plot."""

from __future__ import annotations

import argparse

from cockpit.cli import curve, output
from cockpit.system import comparison, run_dir
from cockpit.system.comparison import Comparison

LETTERS = "ABCDEF"


def compare(arguments: argparse.Namespace) -> int:
    found = comparison.compare([run_dir.find(name) for name in arguments.names])
    if arguments.json:
        output.print_json(found.document())
        return 0
    if drawing := curve.overlaid(_curves(found)):
        print(drawing)
    headers = ("", *LETTERS[: len(found.runs)])
    output.print_table(headers, found.rows())
    for letter, run in zip(LETTERS, found.runs, strict=False):
        print(f"{letter}  {run.name}")
    return 0


def _curves(found: Comparison) -> list[tuple[str, tuple[tuple[int, float], ...]]]:
    """Labelled by letter: by validation where every run was validated, else by training."""
    validated = all(len(run.validations) > 1 for run in found.runs)
    return [
        (letter, run.validations if validated else run.curve)
        for letter, run in zip(LETTERS, found.runs, strict=False)
    ]
