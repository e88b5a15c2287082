"""Asking a run to do something: commands are lines appended to its control.jsonl."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable
from typing import Literal

from cockpit.core.events import Action, Command
from cockpit.errors import CockpitError
from cockpit.system import jsonl, launcher, liveness, process
from cockpit.system.asked import Beginning, StopFollower, beginning
from cockpit.system.run_dir import RunDir
from cockpit.system.summary import digest

# From the first stop until a second one terminates: an update and a checkpoint fit in it.
GRACE_SECONDS = 10.0
# From a termination until a further stop kills.
KILL_AFTER_SECONDS = 5.0

Step = Literal["ask", "terminate", "kill"]


def send(
    run: RunDir,
    action: Action,
    *,
    prompt: str | None = None,
    value: float | None = None,
    sender: str = "",
) -> Command:
    """Appends a command for the trainer and returns it; its id comes back in the answer."""
    command = Command(
        id=secrets.token_hex(6), action=action, prompt=prompt, value=value, sender=sender
    )
    try:
        jsonl.append(run.control, command.line())
    except OSError as error:
        raise _failed("The command could not be written", run, error) from error
    return command


def stop(run: RunDir, *, sender: str = "") -> str:
    """Asks a run to stop, harder each time, and says in a few words what happens next.

    The trainer obeys the first stop after its update. The supervisor acts on those that follow;
    one that died is replaced first. Nothing is written when there is nothing to stop or when it
    is too early to press harder.
    """
    state = digest(run)
    if state.status == "recovering":
        # Its supervisor looks for this one, and nobody else is there to obey.
        send(run, "stop", sender=sender)
        return "the recovery is called off: no way on is taken"
    running = state.active and liveness.supervisor_is_alive(run, state)
    if not running and not process.is_alive(state.trainer):
        return f"nothing to stop: the run is {state.status}"
    now = time.time()
    try:
        newest = run.attempts()[-1:]
        since = beginning(newest[0]) if newest else Beginning()
        before = escalation(StopFollower(run, since).times())
    except OSError as error:
        raise _failed("The run's records cannot be read", run, error) from error
    # A stop from the future was sent before the clock was set back.
    if before and now >= before[-1][0] and (wait := _seconds_left(before, now)) > 0:
        harder = "terminate" if len(before) == 1 else "kill"
        return f"too early to {harder} it: it was asked {now - before[-1][0]:.0f} s ago, " + (
            f"wait {wait:.0f} s more"
        )
    send(run, "stop", sender=sender)
    if not before:
        # The trainer obeys this one by itself, so a supervisor that cannot start is no obstacle.
        with contextlib.suppress(CockpitError):
            launcher.launch(run)
        return "asked to finish the update, checkpoint and exit"
    launcher.launch(run)
    return "terminating the trainer" if len(before) == 1 else "killing the trainer"


def escalation(stops: Iterable[float]) -> list[tuple[float, Step]]:
    """The stops that count, out of the times of all, and what each one does.

    A stop inside the grace period of the one before it is a repetition and counts for nothing.
    """
    steps: list[tuple[float, Step]] = []
    for when in sorted(stops):
        if not steps:
            steps.append((when, "ask"))
        elif when - steps[-1][0] >= _patience(len(steps)):
            steps.append((when, "terminate" if len(steps) == 1 else "kill"))
    return steps


def grace_seconds() -> float:
    """``COCKPIT_GRACE_SECONDS`` if set (tests do), else GRACE_SECONDS."""
    try:
        return float(os.environ["COCKPIT_GRACE_SECONDS"])
    except (KeyError, ValueError):
        return GRACE_SECONDS


def _patience(steps_so_far: int) -> float:
    grace = grace_seconds()
    return grace if steps_so_far == 1 else min(grace, KILL_AFTER_SECONDS)


def _seconds_left(steps: list[tuple[float, Step]], now: float) -> float:
    return steps[-1][0] + _patience(len(steps)) - now


def _failed(title: str, run: RunDir, error: OSError) -> CockpitError:
    return CockpitError(
        title,
        f"{error.filename or run.path}: {error.strerror}",
        "Free some space, or make the run's folder readable and writable.",
        exit_code=1,
    )
