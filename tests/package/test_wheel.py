"""The wheel stands on its own: built, installed elsewhere, run from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel and, by path, its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    environment = folder / "env"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    _borrow_dependencies(environment)
    return environment / "bin"


def _borrow_dependencies(environment: Path) -> None:
    """Lets the new environment see this one's packages, after its own and without editables."""
    (packages,) = environment.glob("lib/python*/site-packages")
    ours = Path(pytest.__file__).parents[1]
    (packages / "zz_borrowed.pth").write_text(f"{ours}\n")


def cockpit(installed: Path, home: Path, *arguments: str) -> dict[str, object]:
    done = subprocess.run(
        [str(installed / "cockpit"), *arguments],
        cwd=home,
        env={**os.environ, "COCKPIT_HOME": str(home / "home"), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def test_it_runs_from_the_wheel_and_not_from_the_checkout(installed: Path) -> None:
    done = subprocess.run(
        [str(installed / "python"), "-c", "import cockpit; print(cockpit.__file__)"],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(installed.parent) in done.stdout


def test_it_carries_the_profiles(installed: Path, tmp_path: Path) -> None:
    document = cockpit(installed, tmp_path, "profiles", "--json")
    profiles = document["profiles"]
    assert isinstance(profiles, list)
    assert len(profiles) >= 15


def test_it_carries_the_stylesheets(installed: Path) -> None:
    (folder,) = installed.parent.glob("lib/python*/site-packages/cockpit/ui")
    sheets = {p.relative_to(folder) for p in folder.rglob("*.tcss")}
    assert sheets == {
        p.relative_to(ROOT / "cockpit/ui") for p in (ROOT / "cockpit/ui").rglob("*.tcss")
    }
    assert sheets


def test_it_trains_the_embedded_model(installed: Path, tmp_path: Path) -> None:
    (demo,) = installed.parent.glob("lib/python*/site-packages/cockpit/embedded/demo*")
    plan = ["--model", "nano", "--data", str(demo), "--iters", "4", "--val-batches", "2"]
    document = cockpit(installed, tmp_path, "train", *plan, "--json")
    assert document["status"] == "completed"
    assert Path(str(document["adapter_path"]), "adapters.safetensors").is_file()
