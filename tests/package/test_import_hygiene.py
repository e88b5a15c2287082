"""What each process may load: a run-time check beside the import contracts."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW_OR_TRAINING = ("mlx", "mlx_lm", "transformers", "huggingface_hub", "numpy")


def modules_after(statement: str) -> set[str]:
    """The top-level modules a fresh interpreter holds after ``statement``."""
    code = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import cockpit.ui.app",
        "from cockpit.cli.parser import build_parser; build_parser()",
        "import cockpit.supervisor.__main__",
    ],
)
def test_no_process_but_the_trainer_loads_mlx(statement: str) -> None:
    assert modules_after(statement).isdisjoint(SLOW_OR_TRAINING)


@pytest.mark.parametrize("module", ["cockpit.supervisor.__main__", "cockpit.trainer.loop"])
def test_the_background_processes_never_load_textual(module: str) -> None:
    assert "textual" not in modules_after(f"import {module}")


def test_the_trainer_does_load_mlx() -> None:
    assert "mlx" in modules_after("import cockpit.trainer.loop")
