"""Peak memory and speed with and without the lossless switches, the forecast beside them.

    python bench/switches.py [--smollm2 DIR] [--updates N] [--rounds N] [--out FILE.json]

Two models: SmolLM2-135M (its folder from ``python scripts/smollm2.py DIR``) and one of nano's shape
with a vocabulary of 150,000 words. The latter's weights are random: what it learns means nothing,
what it needs of memory and time does. Each plan is trained by the cockpit's own trainer, in a
process of its own, on text that fills every batch; the speed of a round is the median over the
updates after the first, which compiles. All plans take turns, round after round, and the fastest
round counts: whatever else a machine does only slows down.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.embedded import nano_path
from cockpit.memory.forecast import Forecaster
from cockpit.system import run_dir

VOCABULARY = 150_000
SWITCHES: tuple[dict[str, Any], ...] = (
    {},
    {"grad_checkpoint": True},
    {"loss_chunks": 8},
    {"loss_chunks": 32},
    {"grad_checkpoint": True, "loss_chunks": 32},
)


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["COCKPIT_HOME"] = str(folder / "home")
        data = write_data(folder / "data")
        subjects = {f"nano's shape, {VOCABULARY:,} words": write_model(folder / "model")}
        if arguments.smollm2:
            subjects["SmolLM2-135M"] = arguments.smollm2
        rows = []
        for name, model in subjects.items():
            print(name)
            plans = [plan_of(model, data, switches, arguments) for switches in SWITCHES]
            measured = train_in_turns(plans, arguments.rounds)
            for switches, plan, found in zip(SWITCHES, plans, measured, strict=True):
                row = {"model": name, "switches": switches, **found, **forecast_of(plan, found)}
                rows.append(row)
                first = next(r for r in rows if r["model"] == name)
                print(_line(row, first), flush=True)
    if arguments.out:
        document = {"plan": {"batch_size": arguments.batch_size, "tokens": arguments.tokens}}
        arguments.out.write_text(json.dumps(document | {"rows": rows}, indent=1))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smollm2", type=Path, help="the folder of SmolLM2-135M")
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=128, help="positions of an example")
    parser.add_argument("--out", type=Path, help="write everything here as JSON")
    return parser.parse_args()


def write_data(folder: Path) -> Path:
    """The chapters of Python's own manual: all longer than a batch of the bench."""
    folder.mkdir()
    texts = sorted((text for text in topics.values()), key=len)[-16:]
    lines = [json.dumps({"text": text}) + "\n" for text in texts]
    for split in ("train", "valid"):
        (folder / f"{split}.jsonl").write_text("".join(lines))
    return folder


def write_model(folder: Path) -> Path:
    """nano with random weights for ``VOCABULARY`` words, and its own tokenizer."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    from cockpit.memory import build

    folder.mkdir()
    for file in nano_path().glob("*token*"):
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((nano_path() / "config.json").read_text()) | {"vocab_size": VOCABULARY}
    (folder / "config.json").write_text(json.dumps(config))
    mx.random.seed(0)
    weights = dict(tree_flatten(build.from_config_alone(config).parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    return folder


def plan_of(
    model: Path, data: Path, switches: dict[str, Any], arguments: argparse.Namespace
) -> RunPlan:
    fields: dict[str, Any] = {
        "model": str(model),
        "data": str(data),
        "batch_size": arguments.batch_size,
        "max_seq_length": arguments.tokens + 1,
        "num_layers": 4,
        "iters": arguments.updates,
        "val_batches": 1,
        "steps_per_eval": arguments.updates,
        "keep_best": False,
    }
    return RunPlan.model_validate(fields | switches)


def forecast_of(plan: RunPlan, measured: dict[str, Any]) -> dict[str, Any]:
    with Forecaster() as forecaster:
        forecast = forecaster.forecast(plan)
    return {
        "forecast_bytes": forecast.peak_bytes,
        "method": forecast.method,
        "error_percent": 100 * (forecast.peak_bytes / measured["peak_bytes"] - 1),
    }


def train_in_turns(plans: list[RunPlan], rounds: int) -> list[dict[str, Any]]:
    """What each plan's fastest round measured."""
    found: list[list[dict[str, Any]]] = [[] for _ in plans]
    for _ in range(rounds):
        for plan, results in zip(plans, found, strict=True):
            results.append(train(plan))
    return [max(results, key=lambda r: float(r["tokens_per_second"])) for results in found]


def train(plan: RunPlan) -> dict[str, Any]:
    """Peak, speed and losses, as the trainer itself tells them."""
    run = run_dir.create(plan)
    command = [sys.executable, "-m", "cockpit.trainer", str(run.path), "1"]
    with run.attempt(1).log.open("w") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log)
    lines = run.attempt(1).trainer_events.read_bytes().splitlines()
    events = [ev.parse_event(line) for line in lines]
    updates = [event for event in events if isinstance(event, ev.Updated)]
    (ended,) = (event for event in events if isinstance(event, ev.Ended))
    assert ended.peak_bytes is not None
    return {
        "peak_bytes": ended.peak_bytes,
        "tokens_per_second": statistics.median(e.tokens_per_second for e in updates[1:]),
        "losses": [event.loss for event in updates],
    }


def _line(row: dict[str, Any], first: dict[str, Any]) -> str:
    switches = ", ".join(f"{name} {value}" for name, value in row["switches"].items())
    saved = 100 * (row["peak_bytes"] / first["peak_bytes"] - 1)
    speed = 100 * (row["tokens_per_second"] / first["tokens_per_second"] - 1)
    off = max(abs(a - b) for a, b in zip(row["losses"], first["losses"], strict=True))
    return (
        f"  {switches or 'no switch':40} peak {row['peak_bytes'] / 1e6:8.1f} MB ({saved:+5.1f} %) "
        f"forecast {row['forecast_bytes'] / 1e6:8.1f} ({row['error_percent']:+5.2f} %) "
        f"{row['tokens_per_second']:7.2f} tokens/s ({speed:+5.1f} %) losses within {off:.1e}"
    )


if __name__ == "__main__":
    sys.exit(main())
