"""Running the command line as people and scripts do: a process, a home, two streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cockpit.embedded import demo_data_path


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as the one JSON document that it must be."""
        parsed = json.loads(self.out)
        assert isinstance(parsed, dict)
        return parsed


Cockpit = Callable[..., Done]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "home"


@pytest.fixture
def cockpit(home: Path, tmp_path: Path) -> Cockpit:
    def run(*arguments: str | Path) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "cockpit", *map(str, arguments)],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=os.environ | {"TERM": "dumb"},
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def short() -> list[str]:
    """Flags of a real run of a few updates."""
    flags = "--model nano --iters 6 --batch-size 2 --num-layers 2 --save-every 3"
    flags += " --steps-per-eval 3 --val-batches 1 --steps-per-report 2 --learning-rate 1e-3"
    return [*flags.split(), "--data", str(demo_data_path())]
