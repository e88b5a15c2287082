"""Commands on disk, and which stops count."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.core.checkpoint_state import ResumeRequest
from cockpit.core.events import Command, parse_command
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import asked, control, jsonl, process, resume, run_dir, run_lock
from cockpit.system.asked import Beginning
from cockpit.system.control import escalation
from cockpit.system.run_dir import RunDir


def test_a_command_is_one_line_with_an_id(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    first = control.send(run, "sample", prompt="line\nbreak \u2028", sender="me")
    second = control.send(run, "set_learning_rate", value=1e-5)
    lines = run.control.read_bytes().splitlines()
    assert [parse_command(line) for line in lines] == [first, second]
    assert first.id != second.id
    assert "value" not in json.loads(lines[0])


def test_a_command_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "gone")
    with pytest.raises(CockpitError) as raised:
        control.send(run, "pause")
    assert str(run.control) in raised.value.message


@pytest.mark.parametrize(
    ("stops", "steps"),
    [
        ([], []),
        ([100], ["ask"]),
        ([100, 109.9], ["ask"]),
        ([100, 101, 102, 109], ["ask"]),
        ([100, 110], ["ask", "terminate"]),
        ([100, 110, 114], ["ask", "terminate"]),
        ([100, 110, 115], ["ask", "terminate", "kill"]),
        ([100, 110, 115, 116, 120], ["ask", "terminate", "kill", "kill"]),
        ([110, 100], ["ask", "terminate"]),
    ],
)
def test_only_stops_after_the_grace_period_press_harder(
    stops: list[float], steps: list[str]
) -> None:
    assert [step for _, step in escalation(stops)] == steps


def test_stops_meant_for_an_earlier_attempt_and_damage_do_not_count(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    old = control.send(run, "stop")
    with run.control.open("ab") as file:
        file.write(b'{"type": garbage\n\xff\xfe\n{"id":"x","action":"explode"}\n\n')
    control.send(run, "pause")
    new = control.send(run, "stop")
    assert asked.StopFollower(run, Beginning(since=old.t)).times() == [old.t, new.t]
    assert asked.StopFollower(run, Beginning(since=new.t)).times() == [new.t]


def test_a_stop_counts_even_if_the_clock_was_set_back_before_it(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    earlier = control.send(run, "stop")
    follower = asked.StopFollower(run, Beginning(since=earlier.t + 1))
    assert follower.times() == [], "meant for the attempt before"
    after_the_step = Command(id="x", action="stop", t=earlier.t - 3600)
    jsonl.append(run.control, after_the_step.line())
    assert follower.times() == [after_the_step.t]


def test_commands_are_meant_for_the_attempt_that_was_there(tmp_path: Path) -> None:
    """By when it was made, as its trainer sees it too, not by when its trainer was up."""
    run = RunDir(tmp_path)
    for number in (1, 2):
        attempt = run.attempt(number)
        attempt.path.mkdir(parents=True)
        attempt.plan_path.touch()
        os.utime(attempt.plan_path, (1000.0, 1000.0))
    assert asked.beginning(run.attempt(1)) == Beginning()
    assert asked.beginning(run.attempt(2)) == Beginning(since=1000.0)


def test_a_resumed_attempt_knows_its_stops_by_their_place_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    monkeypatch.setenv("COCKPIT_GRACE_SECONDS", "600")
    plan = RunPlan(model="nano", data="x")
    run = run_dir.create(plan)
    ended = ev.Ended(status="stopped", update=1)
    jsonl.append(run.attempt(1).trainer_events, _started(1, 2**22 + 1, 1.0).line() + ended.line())
    an_hour_on = time.time() + 3600
    jsonl.append(run.control, Command(id="old", action="stop", t=an_hour_on + 1).line())
    resume.begin(run, 1, plan, None, ResumeRequest(checkpoint=""), launch=False)
    # It was made before the clock was set back.
    os.utime(run.attempt(2).plan_path, (an_hour_on, an_hour_on))
    pid, created = process.identity(os.getpid()) or (0, 0.0)
    jsonl.append(run.attempt(2).trainer_events, _started(2, pid, created).line())
    lock = run_lock.acquire(run)
    assert lock is not None
    assert control.stop(run).startswith("asked to finish")
    assert control.stop(run).startswith("too early to terminate")
    os.close(lock)


def _started(attempt: int, pid: int, created: float) -> ev.Started:
    return ev.Started(attempt=attempt, pid=pid, pid_created=created, updates=9, device="x")
