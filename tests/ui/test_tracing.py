"""The tracing process: its figures replace the rough ones, and it never outlives its use."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cockpit.memory.client import Worker
from cockpit.system import run_dir
from cockpit.ui import inquiry
from cockpit.ui.app import CockpitApp
from cockpit.ui.tracing import Tracer
from cockpit.ui.view import Forecast
from cockpit.ui.widgets.estimate import Estimate, memory_line, notes_of
from cockpit.ui.widgets.parts import parts_bar, parts_legend
from cockpit.ui.widgets.plan_form import PlanForm
from tests.ui.conftest import (
    GIVE_UP_SECONDS,
    demo_plan,
    opened,
    until,
    until_shown,
)
from tests.ui.test_choose_screen import KEY_FIELDS

# A child that is warm at once and never answers.
SILENT = "print('{\"ready\": true}', flush=True); import sys; sys.stdin.read()"
FORECAST = Forecast(
    peak_bytes=6_100_000_000, low_bytes=6_000_000_000, high_bytes=6_200_000_000,
    budget_bytes=24_200_000_000, method="trace",
    parts=(("weights", 2_000_000_000), ("run_ahead", 100_000_000), ("activations", 4_000_000_000)),
    notes=("highest in the update", "with your data: longest batch 1,184 tokens"),
)  # fmt: skip


# A run of seconds: what it trains does not matter.
BRIEF = demo_plan(iters=2, val_batches=1, sample_prompts=[])


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def tracing_processes(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if is_tracing(child)]


def is_tracing(child: psutil.Process) -> bool:
    try:
        return "cockpit.memory.worker" in child.cmdline()
    except psutil.Error:  # it ended just now
        return False


def text_of(spans: tuple[tuple[str, str], ...]) -> str:
    return "".join(text for text, _ in spans)


async def test_the_traced_figure_replaces_the_rough_one_and_follows_the_plan() -> None:
    async with opened(size=(120, 40)) as pilot:
        text = await until_shown(pilot, "fits · from the traced graph", "█ ")
        assert "rough estimate" not in text
        before = pilot.app.screen.query_one(Estimate).forecast
        assert before is not None and before.peak_bytes is not None
        await pilot.press("tab", *["down"] * KEY_FIELDS.index("batch_size"), "right")
        await until_shown(pilot, "outdated · from the traced graph")
        await until_shown(pilot, "fits · from the traced graph")
        after = pilot.app.screen.query_one(Estimate).forecast
        assert after is not None and after.peak_bytes is not None
        assert after.peak_bytes > 1.3 * before.peak_bytes


async def test_another_machine_is_traced_with_its_own_backend() -> None:
    async with opened(size=(120, 40)) as pilot:
        await until_shown(pilot, "from the traced graph")
        await pilot.press("tab", *["down"] * KEY_FIELDS.index("profile"))
        draft = pilot.app.screen.query_one(PlanForm).draft
        mac = draft.profiles.index("m2-air-8")
        for _ in range(mac):
            await pilot.press("right")
        await until_shown(pilot, "from the traced graph, unvalidated")


async def test_the_tracing_process_is_gone_before_training_starts_and_comes_back() -> None:
    async with opened(plan=BRIEF) as pilot:
        await until_shown(pilot, "traced")
        assert tracing_processes(os.getpid())
        await pilot.press("ctrl+r")
        await until_shown(pilot, "✓ completed")
        assert not tracing_processes(os.getpid())
        (run,) = run_dir.all_runs()
        kept = run.attempt(1).forecast()
        assert kept is not None and kept["method"] == "trace"
        await pilot.press("n")
        await until(pilot, lambda: tracing_processes(os.getpid()))
    assert not tracing_processes(os.getpid())


async def test_leaving_the_screen_ends_the_tracing_process() -> None:
    async with opened() as pilot:
        await until(pilot, lambda: tracing_processes(os.getpid()))
        await pilot.press("r")
        await until(pilot, lambda: not tracing_processes(os.getpid()))


def test_closing_does_not_wait_for_a_trace_that_is_under_way() -> None:
    worker = Worker((sys.executable, "-c", SILENT))
    tracer = Tracer(worker)
    tracer.allow()
    found: list[object] = []
    asking = threading.Thread(target=lambda: found.append(tracer.forecast(demo_plan(), None)))
    asking.start()
    wait_until(lambda: worker.pid is not None)
    child = psutil.Process(worker.pid)
    tracer.close()
    assert not child.is_running()
    asking.join(GIVE_UP_SECONDS)
    assert found == [None]
    assert tracer.forecast(demo_plan(), None) is None and worker.pid is None


def test_a_trace_that_takes_too_long_gives_way_to_the_rough_estimate() -> None:
    tracer = Tracer(Worker((sys.executable, "-c", SILENT)))
    tracer.allow()
    found = tracer.forecast(demo_plan(), None, within_seconds=0.2)
    tracer.close()
    assert found is not None and found.method == "analytic"
    assert any("not traced" in note for note in found.notes)


def test_the_tracing_process_ends_when_the_cockpit_is_killed() -> None:
    ours, theirs = pty.openpty()
    cockpit = subprocess.Popen(
        [sys.executable, "-m", "cockpit"], stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    threading.Thread(target=drain, args=(ours,), daemon=True).start()
    wait_until(lambda: tracing_processes(cockpit.pid))
    (child,) = tracing_processes(cockpit.pid)
    cockpit.send_signal(signal.SIGKILL)
    cockpit.wait()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def drain(terminal: int) -> None:
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:
        pass


def test_the_line_names_band_budget_verdict_and_method() -> None:
    line = text_of(memory_line(FORECAST, False, 100, stale=False))
    assert "6.10 GB (6.00 to 6.20 GB) of 24.2 GB budget: fits · from the traced graph" in line


@pytest.mark.parametrize("stale", [False, True])
def test_nothing_of_the_line_is_cut_at_80_columns(stale: bool) -> None:
    rough = Forecast(
        peak_bytes=12_100_000_000, low_bytes=10_100_000_000, high_bytes=14_000_000_000,
        budget_bytes=24_200_000_000, method="analytic", unvalidated=False,
    )  # fmt: skip
    assert len(text_of(memory_line(rough, True, 80, stale=stale))) <= 80


def test_parts_are_told_by_pattern_largest_first() -> None:
    alone = replace(FORECAST, budget_bytes=None)
    assert text_of(parts_bar(alone, 61)) == "█" * 40 + "▒" * 20 + "░"
    # Against the budget, unless they are a sliver of it; what is beyond it shows.
    assert text_of(parts_bar(FORECAST, 61)) == "█" * 10 + "▒" * 5 + "─" * 45 + "│"
    roomy = replace(FORECAST, budget_bytes=100 * 10**9)
    assert text_of(parts_bar(roomy, 61)) == text_of(parts_bar(alone, 61))
    tight = replace(FORECAST, budget_bytes=3_050_000_000)
    assert text_of(parts_bar(tight, 61)) == "█" * 29 + "│" + "█" * 10 + "▒" * 20 + "░"
    legend = text_of(parts_legend(FORECAST, 80)).split("  ")
    assert legend[:3] == ["█ activations 4.00 GB", "▒ weights 2.00 GB", "░ run ahead 0.10 GB"]
    assert text_of(parts_legend(FORECAST, 40)).endswith("and 2 smaller")


def test_what_the_data_make_of_it_is_said_first() -> None:
    assert notes_of(FORECAST)[0].startswith("with your data")


async def test_no_figure_of_the_other_plan_is_launched() -> None:
    """A launch right after a change waits for the figure of the changed plan."""
    async with opened(size=(120, 40), plan=BRIEF) as pilot:
        await until_shown(pilot, "from the traced graph")
        before = pilot.app.screen.query_one(Estimate).forecast
        form = pilot.app.screen.query_one(PlanForm)
        form.move_to(KEY_FIELDS.index("batch_size"))
        form.focus()
        await pilot.press("right", "ctrl+r")
        await until_shown(pilot, "✓ completed")
        (run,) = run_dir.all_runs()
        kept = run.attempt(1).forecast()
        assert kept is not None and before is not None and before.peak_bytes is not None
        assert kept["peak_bytes"] > 1.3 * before.peak_bytes


async def test_a_slow_trace_says_that_it_is_at_it_and_gives_way(tmp_path: Path) -> None:
    """The first child never answers: the rough figure stays, and another plan is still traced."""
    mark = tmp_path / "mark"
    child = (
        "import pathlib, runpy, sys\n"
        f"mark = pathlib.Path({str(mark)!r}); first = not mark.exists(); mark.touch()\n"
        "if first: print('{\"ready\": true}', flush=True); sys.stdin.read()\n"
        "sys.argv = ['worker']; runpy.run_module('cockpit.memory.worker', run_name='__main__')"
    )
    app = CockpitApp("choose", BRIEF)
    app.tracer = Tracer(Worker((sys.executable, "-c", child)))
    async with app.run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "rough estimate", "still tracing, ")
        await until(
            pilot, lambda: (app.screen.inquiry.tracing_seconds or 0.0) > inquiry.GIVE_WAY_SECONDS
        )  # type: ignore[attr-defined]
        form = app.screen.query_one(PlanForm)
        form.focus()
        form.move_to(KEY_FIELDS.index("batch_size"))
        await pilot.press("right")
        await until_shown(pilot, "from the traced graph")
