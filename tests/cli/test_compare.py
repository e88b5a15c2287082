"""``cockpit compare`` on run directories written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.embedded import demo_data_path
from cockpit.system import run_dir
from tests.cli.conftest import Cockpit


@pytest.fixture
def two_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("COCKPIT_HOME", str(home))
    return write_run(rank=8, falls=0.1), write_run(rank=16, falls=0.2)


def write_run(rank: int, falls: float) -> str:
    plan = RunPlan.model_validate(
        {"model": "nano", "data": str(demo_data_path()), "lora_parameters": {"rank": rank}}
    )
    run = run_dir.create(plan)
    events: list[ev.TrainerEvent] = [
        ev.Updated(
            update=update, epoch=0.1, loss=4 - falls * update, learning_rate=1e-4, tokens=10,
            trained_tokens=10 * update, seconds=0.1, tokens_per_second=100, active_bytes=1,
            peak_bytes=900_000_000, cache_bytes=0,
        )
        for update in range(1, 11)
    ]  # fmt: skip
    events += [ev.Validated(update=u, loss=4 - falls * u, seconds=1, tokens=5) for u in (0, 5, 10)]
    events.append(ev.Ended(status="completed", update=10))
    run.attempt(1).trainer_events.write_bytes(b"".join(event.line() for event in events))
    return run.name


def test_what_differs_and_what_came_of_it(cockpit: Cockpit, two_runs: tuple[str, str]) -> None:
    done = cockpit("compare", *two_runs, "--json")
    assert done.code == 0
    assert done.document["differing"] == ["lora_parameters"]
    first, second = done.document["runs"]
    assert [run["plan"]["lora_parameters"]["rank"] for run in (first, second)] == [8, 16]
    assert first["best_validation_loss"] == pytest.approx(3.0)
    assert second["final_train_loss"] == pytest.approx(2.0)
    assert len(first["losses"]) == 10 and first["measured_peak_bytes"] == 900_000_000


def test_for_people_the_curves_are_overlaid_and_lettered(
    cockpit: Cockpit, two_runs: tuple[str, str]
) -> None:
    done = cockpit("compare", *two_runs)
    assert done.code == 0
    for text in ("rank=8", "rank=16", "best validation", "0.90 GB", f"A  {two_runs[0]}", "update"):
        assert text in done.out
    plot = done.out.split("status")[0]
    assert plot.count("A") > 5 and plot.count("B") > 5


def test_one_run_or_a_run_twice_is_refused(cockpit: Cockpit, two_runs: tuple[str, str]) -> None:
    one = cockpit("compare", two_runs[0])
    assert one.code == 2 and "it takes 2 to 6" in one.err
    twice = cockpit("compare", two_runs[0], two_runs[0])
    assert twice.code == 2 and "named twice" in twice.err
