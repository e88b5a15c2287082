"""Timing a plan by its own updates: with the real trainer, and nothing of it left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.embedded import DEMO_PLAN, demo_data_path
from cockpit.errors import CockpitError
from cockpit.system import process, run_dir, timings, warm_up
from cockpit.system.pace import pace_of
from cockpit.system.warm_up import WarmUp, check, timed_plan

GIVE_UP_SECONDS = 60.0
PLENTY_BYTES = 10**12


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, temporary folders to look into, and no more updates than are needed.

    Not by TMPDIR: MLX keeps the kernels that it compiled for a CPU there, and would do so again.
    """
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(warm_up, "ENOUGH_SECONDS", 0.0)
    return tmp_path / "home"


def demo(**changes: object) -> RunPlan:
    fields = {"model": "nano", "data": str(demo_data_path()), **DEMO_PLAN, **changes}
    return RunPlan.model_validate(fields)


def traces(folder: Path) -> list[str]:
    """Processes and folders of warm-ups."""
    running = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    mine = [line for line in running if any(str(folder) in word for word in line)]
    return [*map(" ".join, mine), *(path.name for path in (folder / "tmp").iterdir())]


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_plan_is_timed_by_its_own_updates_and_remembered(tmp_path: Path) -> None:
    told: list[str] = []
    plan = demo(iters=4, grad_accumulation_steps=2, sample_prompts=["Hello"])
    found = WarmUp(plan, PLENTY_BYTES).measure(told.append)
    assert found is not None and found.warm_up_updates == warm_up.FEWEST
    assert found.seconds_per_example > 0 and pace_of(plan) == found
    assert told[0] == "starting the trainer…" and "3 updates timed" in told[-1]
    assert any("the first ones do not count" in text for text in told)
    assert run_dir.all_runs() == [] and traces(tmp_path) == []


def test_more_memory_than_the_budget_ends_it(tmp_path: Path) -> None:
    with pytest.raises(CockpitError, match="too much memory") as told:
        WarmUp(demo(), budget_bytes=1_000_000).measure(lambda _: None)
    assert "of the budget of 1.0 MB" in told.value.message
    assert timings.records() == [] and traces(tmp_path) == []


def test_calling_it_off_leaves_nothing(tmp_path: Path) -> None:
    warming = WarmUp(demo(), PLENTY_BYTES)
    assert warming.measure(lambda _: warming.cancel()) is None
    assert timings.records() == [] and traces(tmp_path) == []


def test_a_trainer_that_fails_says_why_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text(json.dumps({"text": "an example"}) + "\nbroken")
    with pytest.raises(CockpitError) as told:
        WarmUp(demo(data=str(tmp_path / "data")), PLENTY_BYTES).measure(lambda _: None)
    assert "train.jsonl" in told.value.message and told.value.remedy
    assert timings.records() == [] and traces(tmp_path) == []


def test_a_trainer_that_is_killed_is_no_traceback(tmp_path: Path) -> None:
    def kill(text: str) -> None:
        if text.startswith("starting"):
            (child,) = psutil.Process().children()
            child.kill()

    with pytest.raises(CockpitError, match="without a result") as told:
        WarmUp(demo(), PLENTY_BYTES).measure(kill)
    assert "-9" in told.value.message and "memory" in told.value.remedy
    assert traces(tmp_path) == []


def test_it_outlives_nobody(tmp_path: Path) -> None:
    """Whoever times is killed: the trainer and its folder go too."""
    plan = demo(max_seq_length=512).model_dump_json(exclude_unset=True)
    code = f"""
import tempfile
from cockpit.core.plan import RunPlan
from cockpit.system import warm_up
tempfile.tempdir = {str(tmp_path / "tmp")!r}
warm_up.ENOUGH_SECONDS = warm_up.MOST = 10**6
plan = RunPlan.model_validate_json({plan!r})
warm_up.WarmUp(plan, 10**12).measure(lambda text: print(text, flush=True))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as parent:
        assert parent.stdout is not None
        assert any("update 1 took" in line for line in parent.stdout)
        assert traces(tmp_path)
        parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: traces(tmp_path) == [])


def test_what_is_timed_has_nothing_between_its_updates() -> None:
    plan = demo(iters=10, grad_accumulation_steps=4, test=True, report_to="wandb")
    timed = timed_plan(plan)
    assert timed.examples_per_update == plan.examples_per_update
    assert timed.updates > warm_up.LEFT_OUT + warm_up.MOST
    assert timed.val_batches == 0 and not timed.test and timed.report_to is None
    assert timed.in_updates(timed.save_every) >= timed.updates


def test_nothing_is_timed_beside_a_run_or_before_a_download() -> None:
    with pytest.raises(CockpitError, match="not on this machine yet"):
        check(demo(model="org/not-here"))
    check(demo())
    identity = process.identity(os.getpid())
    assert identity is not None
    run = run_dir.create(demo())
    started = ev.Started(
        attempt=1, pid=identity[0], pid_created=identity[1], updates=9, device="test"
    )
    run.attempt(1).trainer_events.write_bytes(started.line())
    with pytest.raises(CockpitError, match="training now") as told:
        check(demo())
    assert run.name in told.value.message
