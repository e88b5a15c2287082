"""What a recovery costs in time: measured on the run's own attempts, and told once."""

from __future__ import annotations

from pathlib import Path

from cockpit.core import events as ev
from cockpit.core.checkpoint_state import ResumeRequest
from cockpit.supervisor.journal import Journal
from cockpit.supervisor.progress import Progress
from cockpit.supervisor.slowdown import UPDATES, Slowdown
from cockpit.system import jsonl, run_dir
from cockpit.system.observe import current_state
from cockpit.system.run_dir import RunDir
from tests.supervisor.conftest import PLAN
from tests.supervisor.test_guard_parts import updated


def recovered_run(updates_before: int) -> RunDir:
    """A run whose second attempt is a recovery; the first took a second for each hundred tokens."""
    run = run_dir.create(PLAN)
    for number in range(1, updates_before + 1):
        jsonl.append(run.attempt(1).trainer_events, updated(number).line())
    recovery = ev.Recovery(
        after_attempt=1, rung="grad_checkpoint", title="", from_update=0, lost_updates=0
    )
    request = ResumeRequest(checkpoint="", recovery=recovery)
    run_dir.add_attempt(run, PLAN, None, request.model_dump(mode="json"))
    return run


def told(run: RunDir, updates_now: int) -> list[float | None]:
    attempt, journal = run.attempt(2), Journal(run.supervisor_events)
    progress = Progress(attempt.trainer_events)
    slowdown = Slowdown(run, attempt, progress, journal)
    for number in range(1, updates_now + 1):
        # The first one compiles.
        seconds = 9.0 if number == 1 else 1.5
        jsonl.append(attempt.trainer_events, updated(number, seconds=seconds).line())
        progress.follow()
        slowdown.look()
    slowdown.say()
    return [recovered.recovery.slowdown for recovered in current_state(run).recoveries]


def test_it_is_told_once_after_enough_updates(home: Path) -> None:
    run = recovered_run(updates_before=20)
    assert told(run, UPDATES + 5) == [1.5]
    assert len(jsonl.Tail(run.supervisor_events).read()) == 1


def test_a_short_attempt_is_told_at_its_end(home: Path) -> None:
    assert told(recovered_run(updates_before=20), UPDATES - 2) == [1.5]


def test_an_attempt_that_died_at_once_is_no_measure(home: Path) -> None:
    assert told(recovered_run(updates_before=1), UPDATES) == []
