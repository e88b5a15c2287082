"""A model whose attention takes much memory and little time, and limits that it runs into."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cockpit.core.plan import RunPlan
from cockpit.memory.forecast import Forecaster
from tests.oom.limits import AddressSpace, Limit, cgroup
from tests.trainer.conftest import write_model

FLAGS = "--iters 2 --save-every 1 --steps-per-eval 100 --steps-per-report 1 --val-batches 1"


@dataclass(frozen=True)
class Ground:
    """Model and data, what a trainer needs beside MLX, and what MLX needs for a plan."""

    model: Path
    data: Path
    base_bytes: int
    forecast: Callable[..., int]
    home: Path

    def cockpit(self, limit: Limit, limit_bytes: int | None, *arguments: str) -> Outcome:
        environment = os.environ | {
            "COCKPIT_HOME": str(self.home),
            "COCKPIT_TRAINER_COMMAND": limit.command(limit_bytes),
        }
        done = subprocess.run(
            [sys.executable, "-m", "cockpit", *arguments, "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, json.loads(done.stdout), done.stderr, self.home)

    def train(self, limit: Limit, limit_bytes: int | None, **plan: Any) -> Outcome:
        """Trains two updates on examples of any length, and waits for the end."""
        flags = [f"--model={self.model}", f"--data={self.data}", *FLAGS.split()]
        flags += [f"--{name.replace('_', '-')}={value}" for name, value in plan.items()]
        return self.cockpit(limit, limit_bytes, "train", *flags, "--anyway")


@dataclass(frozen=True)
class Outcome:
    code: int
    document: dict[str, Any]
    said: str
    home: Path

    @property
    def run(self) -> Path:
        return self.home / "runs" / str(self.document["run"])

    @property
    def rungs(self) -> list[str]:
        """The rungs that the attempts after the first one were."""
        found = sorted((self.run / "attempts").glob("*/resume.json"))
        return [json.loads(path.read_text())["recovery"]["rung"] for path in found]


@pytest.fixture
def limit(tmp_path: Path) -> Iterator[Limit]:
    made = cgroup() or AddressSpace(tmp_path)
    yield made
    made.close()


@pytest.fixture
def address_space(tmp_path: Path) -> Iterator[AddressSpace]:
    made = AddressSpace(tmp_path)
    yield made
    made.close()


def write_heads(folder: Path) -> Path:
    """Sixteen heads of two dimensions: scores by the megabyte, hardly anything to multiply."""
    heads = {"num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 2}
    return write_model(folder / "heads", **heads, intermediate_size=32)


def write_data(folder: Path) -> Path:
    """Examples longer than any plan here asks for."""
    folder.mkdir(exist_ok=True)
    for name, count in (("train", 16), ("valid", 2)):
        text = "ship ahoy! " * (150 if name == "train" else 5)
        (folder / f"{name}.jsonl").write_text(f"{json.dumps({'text': text})}\n" * count)
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_heads(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def forecast(model: Path) -> Iterator[Callable[..., int]]:
    with Forecaster() as forecaster:

        def peak_bytes(**fields: Any) -> int:
            plan = RunPlan.model_validate({"model": str(model), "data": "any"} | fields)
            return forecaster.forecast(plan, use_data=False).peak_bytes

        yield peak_bytes


@pytest.fixture
def ground(
    model: Path, data: Path, forecast: Callable[..., int], limit: Limit, tmp_path: Path
) -> Ground:
    return measured(Ground(model, data, 0, forecast, tmp_path / "home"), limit)


@pytest.fixture
def ground_of_addresses(
    model: Path,
    data: Path,
    forecast: Callable[..., int],
    address_space: AddressSpace,
    tmp_path: Path,
) -> Ground:
    return measured(Ground(model, data, 0, forecast, tmp_path / "home"), address_space)


def measured(ground: Ground, limit: Limit) -> Ground:
    """``base_bytes`` is what a plan that needs next to nothing takes by the limit's own count."""
    done = ground.train(limit, None, batch_size=1, max_seq_length=33, num_layers=1)
    assert done.document["status"] == "completed", done.said
    base = limit.peak_bytes() - int(done.document["measured_peak_bytes"])
    return Ground(ground.model, ground.data, base, ground.forecast, ground.home)
