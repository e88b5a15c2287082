"""What a checkpoint costs: bytes, time, and its share of training at the default ``save_every``.

Trains for real, with a checkpoint every 100 iterations (mlx-lm's default), and reads what the
run says of itself. Beside it, what plain mlx-lm writes at the same points: the adapters alone,
twice, in place, neither fsynced nor checked; the same arrays are saved as its trainer does it.

    python bench/checkpoint_cost.py                        # nano and its demo data
    python bench/checkpoint_cost.py --model DIR --data DIR --batch-size 2 --num-layers 4
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOAL_SHARE = 0.01
REPETITIONS = 9


def train(fields: dict[str, object], home: str) -> tuple[list[dict[str, float]], Path]:
    """Runs the trainer as the supervisor would and returns its events and its folder."""
    os.environ["COCKPIT_HOME"] = home
    from cockpit.core.plan import RunPlan
    from cockpit.system import run_dir

    run = run_dir.create(RunPlan.model_validate(fields))
    command = [sys.executable, "-m", "cockpit.trainer", str(run.path), "1"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    lines = run.attempt(1).trainer_events.read_bytes().splitlines()
    return [json.loads(line) for line in lines], run.path


def as_mlx_lm_saves(adapters: Path, folder: Path) -> tuple[float, int]:
    """Median seconds and bytes of mlx-lm's save: the newest and a numbered file, adapters only."""
    import mlx.core as mx

    weights = mx.load(str(adapters))
    mx.eval(weights)
    seconds = []
    targets = [folder / "adapters.safetensors", folder / "0000100_adapters.safetensors"]
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        for target in targets:
            mx.save_safetensors(str(target), weights)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), sum(target.stat().st_size for target in targets)


def measure(fields: dict[str, object]) -> dict[str, object]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as home:
        events, run = train(fields, home)
        plain_seconds, plain_bytes = as_mlx_lm_saves(
            run / "adapters" / "adapters.safetensors", Path(home)
        )
    saves = [event for event in events if event["type"] == "checkpoint"]
    updates = sum(event["seconds"] for event in events if event["type"] == "update")
    saving = sum(event["seconds"] for event in saves)
    return {
        "checkpoints": len(saves),
        "iterations": fields["iters"],
        "training_seconds": updates,
        "checkpoint_seconds": statistics.median(event["seconds"] for event in saves),
        "checkpoint_bytes": int(saves[-1]["size_bytes"]),
        "share": saving / (saving + updates),
        "mlx_lm_seconds": plain_seconds,
        "mlx_lm_bytes": plain_bytes,
        "mlx_lm_share": len(saves) * plain_seconds / (len(saves) * plain_seconds + updates),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="model folder (default: the embedded one)")
    parser.add_argument("--data", help="data folder (default: the demo's)")
    parser.add_argument("--iters", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--num-layers", type=int, default=-1)
    parser.add_argument("--max-seq-length", type=int, default=256)
    parser.add_argument("--optimizer", default="adam")
    parser.add_argument("--output", type=Path, default=Path("checkpoint_cost.json"))
    arguments = parser.parse_args()

    from cockpit.embedded import demo_data_path, nano_path

    fields: dict[str, object] = {
        "model": arguments.model or str(nano_path()),
        "data": arguments.data or str(demo_data_path()),
        "iters": arguments.iters,
        "batch_size": arguments.batch_size,
        "num_layers": arguments.num_layers,
        "max_seq_length": arguments.max_seq_length,
        "optimizer": arguments.optimizer,
        "steps_per_eval": arguments.iters * 10,
        "val_batches": 1,
    }
    found = measure(fields)
    print(f"{'':<16}{'bytes':>14}{'seconds':>10}{'share of training':>20}")
    for name, key in (("cockpit", "checkpoint"), ("plain mlx-lm", "mlx_lm")):
        share = found["share" if key == "checkpoint" else "mlx_lm_share"]
        size, seconds = found[f"{key}_bytes"], found[f"{key}_seconds"]
        print(f"{name:<16}{size:>14,}{seconds:>10.4f}{share:>20.3%}")
    print(f"{found['checkpoints']} checkpoints in {found['iterations']} iterations; goal 1%")
    arguments.output.write_text(json.dumps({"plan": fields, **found}, indent=1) + "\n")
    return 0 if float(str(found["share"])) < GOAL_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
