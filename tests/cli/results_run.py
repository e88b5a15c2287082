"""A finished run for the commands that work on one, trained once a module in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cockpit.embedded import demo_data_path
from tests.cli.conftest import Done

LINES = {"train": 16, "valid": 4, "test": 4}


def finished_run(folder: Path) -> Path:
    """The home of a run called ``small``: 4 updates, checkpoints after 2 and 4."""
    from cockpit.core.plan import RunPlan
    from cockpit.system import run_dir
    from cockpit.trainer import attempt
    from cockpit.trainer.failures import StopFlag

    data = folder / "data"
    data.mkdir()
    for name, count in LINES.items():
        text = (demo_data_path() / f"{name}.jsonl").read_text().splitlines(keepends=True)
        (data / f"{name}.jsonl").write_text("".join(text[:count]))
    fields = {"model": "nano", "data": str(data), "name": "small", "iters": 4, "batch_size": 2}
    fields |= {"num_layers": 2, "max_seq_length": 32, "learning_rate": 1e-3, "steps_per_eval": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCKPIT_HOME", str(folder / "home"))
        run = run_dir.create(RunPlan.model_validate(fields | {"save_every": 2}))
        assert attempt.train(run.path, 1, StopFlag(), None) == 0
    return folder / "home"


def refused(done: Done, *said: str, code: int = 2) -> None:
    """One short message with everything in ``said`` and a remedy."""
    assert done.code == code, done.err
    for phrase in said:
        assert phrase in done.err
    assert "->" in done.err and len(done.err.splitlines()) < 10


def error_of(done: Done) -> dict[str, str]:
    error = json.loads(done.out)["error"]
    assert isinstance(error, dict)
    return error
