"""A tiny llama with a tokenizer of its own, data of any shape, and runs that train on them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from cockpit.trainer import blas

blas.load()

import mlx.core as mx  # noqa: E402
from mlx.utils import tree_flatten  # noqa: E402
from mlx_lm.models import llama  # noqa: E402

from cockpit.core import events as ev  # noqa: E402
from cockpit.core.plan import RunPlan  # noqa: E402
from cockpit.system import run_dir  # noqa: E402
from cockpit.system.run_dir import RunDir  # noqa: E402
from cockpit.trainer import attempt  # noqa: E402
from cockpit.trainer.failures import StopFlag  # noqa: E402

TEXT = "the cat sat on a mat and saw one red dog run far over green hills to find its bone"
WORDS = TEXT.split()
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
SECONDS = 120.0

E = TypeVar("E", bound=ev.Record)


def sentence(words: int, rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))


def write_model(folder: Path, **changes: Any) -> Path:
    """A random llama of about 100,000 parameters with a byte-level BPE tokenizer."""
    folder.mkdir(parents=True)
    _write_tokenizer(folder)
    config = {
        "model_type": "llama",
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5,
        "vocab_size": 320,
        "tie_word_embeddings": True,
        "eos_token_id": 1,
    } | changes
    (folder / "config.json").write_text(json.dumps(config))
    mx.random.seed(1)
    model = llama.Model(llama.ModelArgs.from_dict(config))
    mx.save_safetensors(
        str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())), {"format": "mlx"}
    )
    return folder


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": "</s>",
                "pad_token": "<pad>",
                "chat_template": TEMPLATE,
            }
        )
    )


def write_data(folder: Path, train: int = 24, valid: int = 6, words: Iterable[int] = ()) -> Path:
    """Text examples of ragged lengths, or of the given numbers of words."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    sizes = list(words) or [rng.randint(2, 60) for _ in range(train)]
    for name, lengths in (("train", sizes), ("valid", [rng.randint(3, 30)] * valid)):
        lines = [json.dumps({"text": sentence(n, rng)}) for n in lengths]
        (folder / f"{name}.jsonl").write_text("".join(line + "\n" for line in lines))
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "ragged")


@dataclass
class Training:
    """A run directory, its training in this process or in one of its own, and its events."""

    run: RunDir
    number: int = 1
    process: subprocess.Popen[str] | None = None
    started: list[subprocess.Popen[str]] = field(default_factory=list)  # by all its attempts

    def here(self) -> int:
        """Trains in this process and returns the exit status."""
        return attempt.train(self.run.path, self.number, StopFlag(), None)

    def start(self, command: Iterable[str] = (), **options: Any) -> Training:
        arguments = ["-m", "cockpit.trainer", str(self.run.path), str(self.number)]
        log = self.run.attempt(self.number).log.open("a")
        self.process = subprocess.Popen(
            [*command, sys.executable, *arguments],
            **{"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL, "text": True} | options,
        )
        self.started.append(self.process)
        log.close()
        return self

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(SECONDS)

    def terminate(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGTERM)

    def send(self, action: ev.Action, **fields: Any) -> str:
        command = ev.Command(id=f"{action}-{time.time_ns()}", action=action, **fields)
        with self.run.control.open("ab") as file:
            file.write(command.line())
        return command.id

    @property
    def log(self) -> str:
        path = self.run.attempt(self.number).log
        return path.read_text() if path.exists() else ""

    def events(self, kind: type[E] = ev.Record) -> list[E]:  # type: ignore[assignment]
        path = self.run.attempt(self.number).trainer_events
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [e for line in lines if isinstance(e := ev.parse_event(line), kind)]

    def one(self, kind: type[E]) -> E:
        (event,) = self.events(kind)
        return event

    def until(self, condition: Callable[[], Any]) -> Any:
        """Waits for a condition on the events; fails with the log if the trainer ends first."""
        deadline = time.monotonic() + SECONDS
        while not (met := condition()):
            ended = self.process is not None and self.process.poll() is not None
            if (ended and not condition()) or time.monotonic() > deadline:
                raise AssertionError(f"never happened; log:\n{self.log}\n{self.events()[-3:]}")
            time.sleep(0.02)
        return met

    @property
    def losses(self) -> list[float]:
        return [event.loss for event in self.events(ev.Updated)]

    def again(self, checkpoint: str, **changes: Any) -> Training:
        """The next attempt of this run, from a checkpoint."""
        plan = self.run.attempt(self.number).plan().with_changes(**changes)
        folder = run_dir.add_attempt(self.run, plan, resume={"checkpoint": checkpoint})
        return Training(self.run, folder.number, started=self.started)


@pytest.fixture
def prepare(
    tmp_path: Path, model: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterable[Callable[..., Training]]:
    """Makes a run of the tiny model; keyword arguments are plan fields."""
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    made: list[Training] = []

    def make(**fields: Any) -> Training:
        plan: dict[str, Any] = {
            "model": str(model),
            "data": str(data),
            "iters": 4,
            "batch_size": 2,
            "num_layers": -1,
            "max_seq_length": 96,
            "learning_rate": 1e-3,
            "steps_per_report": 1,
        }
        made.append(Training(run_dir.create(RunPlan.model_validate(plan | fields))))
        return made[-1]

    yield make
    for process in (process for training in made for process in training.started):
        if process.poll() is None:
            process.kill()
            process.wait()
