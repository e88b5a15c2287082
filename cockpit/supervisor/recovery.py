"""``on_oom = auto``: after a lack of memory the same supervisor goes on with the next attempt.

Forecasting needs far more memory than a supervisor may take, so a child of its own does that,
and is gone before anything trains.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from typing import Any

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import with_recovery
from cockpit.errors import CockpitError
from cockpit.supervisor.journal import Journal
from cockpit.supervisor.wakeup import Wakeup
from cockpit.system import asked, recoveries, recovering, run_dir
from cockpit.system.run_dir import AttemptDir, RunDir

COMMAND = (sys.executable, "-m", "cockpit.memory.unattended")
# Tracing a large model takes seconds a rung; beyond this something hangs.
MOST_SECONDS = 900.0
POLL_SECONDS = 0.5


def next_attempt(
    run: RunDir, attempt: AttemptDir, journal: Journal, wakeup: Wakeup
) -> AttemptDir | None:
    """The attempt that goes on after ``attempt`` ended; None where nothing does.

    Where the plan asks to go on and that cannot be, or may not, the reason is written.
    """
    try:
        plan = run.plan_of(attempt)
    except CockpitError:
        return None
    if wakeup.asked_to_end or not _goes_on(run):
        return None
    if (tried := recoveries.in_a_row(run, automatic=True)) >= plan.max_recoveries:
        _refuse(journal, attempt, _too_often(run, plan, tried))
        return None
    journal.write(ev.Note(message="Out of memory: looking for the first change that fits ..."))
    stops = asked.StopFollower(run, asked.beginning(attempt))
    answer = _ask(run, wakeup, stops)
    if _stopped(stops):
        _withdraw(run, attempt)
        journal.write(ev.Note(message="The run was asked to stop: no way on is taken."))
        return None
    if answer is None:
        return None
    if "attempt" in answer:
        return run.attempt(int(answer["attempt"]))
    _refuse(journal, attempt, answer)
    return None


def announce(journal: Journal, attempt: AttemptDir) -> None:
    """Writes that an attempt is a recovery, if it is one."""
    recovery = recoveries.of(attempt)
    if recovery is not None:
        journal.write(ev.Recovered(attempt=attempt.number, recovery=recovery))


def _goes_on(run: RunDir) -> bool:
    from cockpit.system.summary import digest

    return recovering.goes_on_by_itself(run, with_recovery(digest(run), False))


def _stopped(stops: asked.StopFollower) -> bool:
    with contextlib.suppress(OSError):
        return bool(stops.times())
    return False


def _withdraw(run: RunDir, attempt: AttemptDir) -> None:
    """Removes what the child added after ``attempt``: a stop came first, so it never starts."""
    newest = run.attempts()[-1]
    recovery = recoveries.of(newest)
    if recovery is not None and recovery.automatic and recovery.after_attempt == attempt.number:
        with contextlib.suppress(OSError):
            run_dir.withdraw(newest)


def _ask(run: RunDir, wakeup: Wakeup, stops: asked.StopFollower) -> dict[str, Any] | None:
    """What the child answered; None if this process or the run was asked to end meanwhile."""
    try:
        child = subprocess.Popen(
            [*COMMAND, str(run.path), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
    except OSError as error:
        return _failed(f"it could not be started: {error.strerror}")
    deadline = time.monotonic() + MOST_SECONDS
    with child:
        while child.poll() is None:
            if wakeup.asked_to_end or _stopped(stops) or time.monotonic() > deadline:
                child.kill()
                child.wait()
            else:
                wakeup.wait(POLL_SECONDS)
        said = child.stdout.read() if child.stdout is not None else b""
    try:
        answer = json.loads(said)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    if wakeup.asked_to_end or _stopped(stops):
        return None
    return _failed(f"it ended with code {child.returncode}; see {run.supervisor_log}")


def _failed(message: str) -> dict[str, Any]:
    return {"title": "The forecast for the recovery failed", "message": message}


def _too_often(run: RunDir, plan: RunPlan, tried: int) -> dict[str, Any]:
    return {
        "title": "As often as the plan allows, and it still runs out of memory",
        "message": f"{tried} recoveries without getting further, max_recoveries is "
        f"{plan.max_recoveries}",
        "remedy": f"Choose a way on: cockpit recover {run.name}",
    }


def _refuse(journal: Journal, attempt: AttemptDir, why: dict[str, Any]) -> None:
    journal.write(
        ev.RecoveryRefused(
            attempt=attempt.number,
            title=str(why.get("title", "")),
            message=str(why.get("message", "")),
            remedy=str(why.get("remedy", "")),
        )
    )
