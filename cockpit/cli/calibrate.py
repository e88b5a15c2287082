"""``cockpit calibrate``: short real runs that fit the forecast's constants to this machine."""

from __future__ import annotations

import argparse

from cockpit.cli import output
from cockpit.core.format import plain
from cockpit.memory import calibrate as fitting
from cockpit.memory import calibration
from cockpit.system import hardware


def calibrate(arguments: argparse.Namespace) -> int:
    found = fitting.calibrate(hardware.detect(), output.say)
    path = calibration.save(found)
    if arguments.json:
        output.print_json(found.model_dump() | {"path": str(path)})
        return 0
    print(plain(f"{found.chip}, mlx {found.mlx}"))
    print(f"pieces of work in a task  {found.work_per_task}")
    print(f"unfinished tasks          {found.outstanding_tasks}")
    print(f"worst error               {found.error_before:+.2%} before, {found.error_after:+.2%}")
    print(plain(f"kept in {path}"))
    return 0
