"""Starting a case's cockpit: a process of its own, in a home of its own, with a fault in wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.crash.cases import Fault

FAULTS = Path(__file__).with_name("faults")
ROOT = Path(__file__).parents[2]


def cockpit(home: Path, action: str, where: Path, fault: dict[str, str]) -> subprocess.Popen[str]:
    """``tests.crash.cockpit`` with ``fault`` in its environment, which its processes inherit."""
    environment = os.environ | {
        "COCKPIT_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(FAULTS), str(ROOT)]),
        "PYTHONFAULTHANDLER": "1",
    }
    with (home / "cockpit.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.crash.cockpit", action, str(where), str(home)],
            env=environment | fault,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            cwd=ROOT,
        )


def fault(fault: Fault | None, home: Path, mark: Path, until: Path) -> dict[str, str]:
    """What ``faults/sitecustomize.py`` reads, if anything is to fail."""
    if fault is None:
        return {}
    cockpit = fault.process == "cockpit"
    spec = {
        "process": "tests.crash.cockpit" if cockpit else f"cockpit.{fault.process}",
        "call": fault.call,
        "nth": fault.nth,
        "how": fault.how,
        "under": str(home / "runs"),
        "mark": str(mark),
        "until": str(until),
    }
    return {"CRASH_FAULT": json.dumps(spec)}
