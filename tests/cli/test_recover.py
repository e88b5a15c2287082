"""``cockpit recover``: what happened, the ways on with their prices, and taking one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.embedded import demo_data_path
from cockpit.system import jsonl, run_dir
from cockpit.system.run_dir import RunDir
from tests.cli.conftest import Cockpit, Done

METAL = "[METAL] Command buffer execution failed: Insufficient Memory (00000008:kIOGPUCommand)"
PLAN = RunPlan(
    model="nano",
    data=str(demo_data_path()),
    iters=4,
    batch_size=4,
    num_layers=2,
    save_every=2,
    steps_per_eval=100,
    val_batches=1,
)


@pytest.fixture
def died(home: Path) -> RunDir:
    """A run that MLX reported a lack of memory of, after three updates and before a checkpoint."""
    return ended(ev.Ended(status="failed", update=3, kind="error", message=METAL))


def ended(end: ev.Ended | ev.TrainerExited) -> RunDir:
    run = run_dir.create(PLAN)
    who: dict[str, Any] = {"pid": os.getpid(), "pid_created": 1.0}
    started = ev.Started(t=end.t - 1, attempt=1, **who, updates=4, device="cpu")
    jsonl.append(run.attempt(1).trainer_events, started.line())
    if isinstance(end, ev.TrainerExited):
        began = ev.TrainerStarted(t=end.t - 1, attempt=1, **who)
        jsonl.append(run.supervisor_events, began.line() + end.line())
    else:
        jsonl.append(run.attempt(1).trainer_events, end.line())
    return run


def refused(done: Done, *said: str) -> None:
    assert done.code != 0
    for phrase in said:
        assert phrase in done.err, done.err


def test_it_tells_the_evidence_prices_every_rung_and_trains_to_the_end(
    cockpit: Cockpit, died: RunDir
) -> None:
    done = cockpit("recover", died.name, "--yes", "--json")
    assert done.code == 0, done.err
    assert (done.document["status"], done.document["run"]) == ("completed", died.name)
    for said in (
        "attempt 1: The GPU ran out of memory",
        METAL,
        "starts from scratch",
        "forecast for the plan that died",
        "grad_checkpoint",
        "batch_size",
        "4 x 1 -> 2 x 2",
        "lossless",
        "why not: no shorter length is left",
        "1 block is trained instead of 2",
    ):
        assert said in done.err
    recovery = json.loads((died.attempt(2).path / "resume.json").read_text())["recovery"]
    assert f"> {recovery['rung']}" in done.err and not recovery["automatic"]
    assert recovery["cause"] == "The GPU ran out of memory"
    taken = died.plan_of(died.attempt(2))
    assert taken.examples_per_update == PLAN.examples_per_update and taken != PLAN
    assert done.document["predicted_peak_bytes"] < recovery["forecast_bytes"]
    refused(cockpit("recover", died.name, "--yes"), "nothing to recover", "cockpit resume")


def test_a_rung_of_ones_own_and_one_by_name(cockpit: Cockpit, died: RunDir) -> None:
    refused(cockpit("recover", died.name, "--rung", "rank", "--yes"), "no such rung", "num_layers")
    refused(cockpit("recover", died.name), "Nobody is there", "Add --yes", "--rung KIND --yes")
    named = cockpit("recover", died.name, "--rung", "batch_size")
    refused(named, "would go on with: Smaller micro-batches: 4 x 1 -> 2 x 2", "-> Add --yes")
    assert "--rung KIND" not in named.err
    refused(cockpit("recover", died.name, "--batch-size", "3", "--yes"), "does not divide")
    assert len(died.attempts()) == 1
    flags = ["--rung", "num_layers", "--set", "batch_size=1", "--yes", "--json"]
    done = cockpit("recover", died.name, *flags)
    assert done.code == 0, done.err
    taken = died.plan_of(died.attempt(2))
    assert (taken.num_layers, taken.batch_size, taken.grad_accumulation_steps) == (1, 1, 4)
    assert (taken.updates, taken.name) == (4, None)
    shown_as_it_trains_and_as_it_was_asked(cockpit, died)


def shown_as_it_trains_and_as_it_was_asked(cockpit: Cockpit, run: RunDir) -> None:
    said = cockpit("show", run.name).out
    for line in (
        "plan             lora, adam, batch 1 x 4",
        "asked            batch 4 x 1, sequence 2048, num_layers 2 (now 1)",
        "attempts         2, recovered once",
        "attempt 2 recovers from update 0 (3 made again): ",
    ):
        assert line in said, said
    document = cockpit("show", run.name, "--json").document
    assert (document["plan"]["iters"], document["plan"]["batch_size"]) == (4, 4)
    newest = document["newest_plan"]
    assert (newest["iters"], newest["batch_size"]) == (document["iterations"], 1)
    (recovery,) = document["recoveries"]
    assert (recovery["attempt"], recovery["rung"]) == (2, "num_layers")


def test_where_less_memory_does_not_help_there_is_no_ladder(cockpit: Cockpit, home: Path) -> None:
    full = ended(
        ev.Ended(status="failed", update=0, kind="disk", title="The disk is full", remedy="Free it")
    )
    done = cockpit("recover", full.name, "--rung", "batch_size", "--yes")
    refused(done, "The disk is full", "less memory does not help", "Free it")
    done = cockpit("recover", full.name, "--yes", "--json")
    assert done.code == 0, done.err
    assert done.document["status"] == "completed"
    assert "ways on" not in done.err and full.plan_of(full.attempt(2)) == PLAN


def test_whoever_hears_the_end_is_told_where_the_ways_on_are(cockpit: Cockpit, home: Path) -> None:
    killed = ev.Diagnosis(
        kind="memory_kill",
        title="The kernel killed the trainer: out of memory",
        remedy="Resume with a smaller batch, shorter sequences or fewer layers.",
    )
    run = ended(ev.TrainerExited(attempt=1, signal="SIGKILL", diagnosis=killed))
    said_by_mlx = ended(ev.Ended(status="failed", update=3, kind="error", message=METAL))
    for which in (run, said_by_mlx):
        wanted = f"-> See the ways on, priced: cockpit recover {which.name}"
        assert wanted in cockpit("show", which.name).out
        attached = cockpit("attach", which.name, "--plain")
        assert wanted in attached.err and "smaller batch" not in attached.err
        assert "Ctrl-C" not in attached.err, "it is over: nothing is left training"
    count = "[metal::malloc] Resource limit (499000) exceeded."
    buffers = ended(ev.Ended(status="failed", update=3, kind="error", message=count))
    shown = cockpit("show", buffers.name).out
    assert "a smaller batch does not help" in shown and f"cockpit recover {buffers.name}" in shown


def test_a_script_gets_causes_and_prices_as_one_document_and_starts_nothing(
    cockpit: Cockpit, died: RunDir
) -> None:
    done = cockpit("recover", died.name, "--json")
    assert done.code == 0 and "ways on" not in done.err
    told = done.document
    assert (told["run"], told["attempt"], told["cure"]) == (died.name, 1, "memory")
    assert told["diagnosis"]["kind"] == "allocation" and METAL in told["diagnosis"]["evidence"]
    assert (told["from_update"], told["updates_made_again"], told["checkpoint"]) == (0, 3, None)
    assert "nothing was saved" in told["from_scratch_because"]
    rungs = {rung["kind"]: rung for rung in told["rungs"]}
    chosen = rungs[told["chosen"]]
    assert chosen["fits"] and chosen["offered"] and chosen["changes"] and chosen["why_not"] is None
    assert chosen["needed_bytes"] <= told["budget_bytes"]
    assert rungs["max_seq_length"]["why_not"] == "no shorter length is left"
    own = cockpit("recover", died.name, "--batch-size", "1", "--json").document
    assert own["own"]["changes"]["grad_accumulation_steps"] == 4 and own["chosen"] is None
    assert len(died.attempts()) == 1


def test_where_nothing_fits_the_document_says_why_of_every_way(
    cockpit: Cockpit, died: RunDir, home: Path
) -> None:
    machine = 'title = "Tiny"\nbackend = "cpu"\nram = "3 MB"\nsystem_reserved = "1 MB"\n'
    (home / "profiles").mkdir()
    (home / "profiles" / "this-machine.toml").write_text(machine)
    done = cockpit("recover", died.name, "--json")
    assert done.code == 2 and done.document["chosen"] is None
    assert done.document["budget_bytes"] == 2_000_000
    assert all(rung["why_not"] for rung in done.document["rungs"])
