"""Runs that were really trained, a few updates each, and the models they leave."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cockpit.trainer import blas

blas.load()

import mlx.core as mx  # noqa: E402
import mlx.nn as nn  # noqa: E402
import mlx_lm  # noqa: E402
from mlx.utils import tree_flatten  # noqa: E402

from cockpit.core import events as ev  # noqa: E402
from cockpit.core.plan import RunPlan  # noqa: E402
from cockpit.embedded import demo_data_path, nano_path  # noqa: E402
from cockpit.results.messages import Message  # noqa: E402
from cockpit.system import run_dir  # noqa: E402
from cockpit.system.run_dir import RunDir  # noqa: E402
from cockpit.trainer import attempt  # noqa: E402
from cockpit.trainer.failures import StopFlag  # noqa: E402

Train = Callable[..., RunDir]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("COCKPIT_HOME", str(folder))
        patch.setenv("HF_HUB_CACHE", str(folder / "hub"))
        yield folder


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first lines of the demo's data: every split, few tokens."""
    folder = tmp_path_factory.mktemp("data") / "small"
    folder.mkdir()
    for name, lines in (("train", 24), ("valid", 6), ("test", 6)):
        text = (demo_data_path() / f"{name}.jsonl").read_text().splitlines(keepends=True)
        (folder / f"{name}.jsonl").write_text("".join(text[:lines]))
    return folder


@pytest.fixture(scope="session")
def train(home: Path, small_data: Path) -> Train:
    """Trains the embedded model, or another, in this process; fields of the plan change it."""

    def run(**changes: Any) -> RunDir:
        fields: dict[str, Any] = {
            "model": "nano",
            "data": str(small_data),
            "iters": 4,
            "batch_size": 2,
            "num_layers": 2,
            "max_seq_length": 32,
            "learning_rate": 1e-3,
            "steps_per_eval": 2,
            "save_every": 2,
            "val_batches": 2,
            "test": True,
        }
        made = run_dir.create(RunPlan.model_validate(fields | changes))
        assert attempt.train(made.path, 1, StopFlag(), None) == 0
        return made

    return run


@pytest.fixture(scope="session")
def trained(train: Train) -> RunDir:
    """A LoRA that has learned something: checkpoints after updates 2, 4, 6 and 8."""
    return train(iters=8, keep_last=4, sample_prompts=("What does a cow say?",))


@pytest.fixture
def own(trained: RunDir, tmp_path: Path) -> RunDir:
    """A copy of that run to do harm to."""
    copied = tmp_path / trained.name
    shutil.copytree(trained.path, copied, symlinks=True)
    return RunDir(copied)


def events(run: RunDir) -> list[ev.Event]:
    lines = run.attempt(1).trainer_events.read_bytes().splitlines()
    return [event for line in lines if (event := ev.parse_event(line)) is not None]


class Said:
    """Listens to a job and keeps what it said."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, message: Message) -> None:
        self.messages.append(message)


def logits(model: nn.Module, tokens: list[int]) -> mx.array:
    model.eval()
    found: mx.array = model(mx.array([tokens]))[0]
    mx.eval(found)
    return found


def stored(folder: Path, **changes: Any) -> Path:
    """The embedded model in another folder: ``bits=4`` packed, or with its weights as ``dtype``."""
    model, _, config = mlx_lm.load(str(nano_path()), return_config=True)
    if bits := changes.pop("bits", None):
        nn.quantize(model, group_size=32, bits=bits)
        config["quantization"] = {"group_size": 32, "bits": bits}
    if dtype := changes.pop("dtype", None):
        model.set_dtype(dtype)
    folder.mkdir()
    for path in nano_path().iterdir():
        if path.name.startswith(("token", "special")):
            shutil.copy(path, folder)
    mx.save_safetensors(
        str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())), {"format": "mlx"}
    )
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder
