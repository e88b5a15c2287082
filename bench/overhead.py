"""Speed of ``cockpit train``, with the cockpit attached, over plain ``mlx_lm.lora``.

Both train the same plan on the same machine in alternating runs; the figure is the median of
the ratios of tokens per second, by the wall clock over the second half of a run, where neither
validates or saves. mlx_lm.lora trains through its own ``train_model``, in float32 and with the
same fast BLAS loaded as the cockpit's trainer, reporting every tenth iteration (its default).

    python bench/overhead.py                  # nano and its demo data
    python bench/overhead.py --model DIR --data DIR --batch-size 2 --num-layers 4
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

PLAIN = """
import json, sys, time, types
from cockpit.trainer import blas
blas.load()
from mlx_lm import lora
from mlx_lm.tuner.callbacks import TrainingCallback
from mlx_lm.tuner.datasets import load_dataset
from mlx_lm.utils import load
import mlx.core as mx
import numpy as np

class Speeds(TrainingCallback):
    def __init__(self): self.seen = []
    def on_train_loss_report(self, info): self.seen.append((time.time(), info["trained_tokens"]))

fields = json.loads(sys.argv[1])
arguments = types.SimpleNamespace(**(lora.CONFIG_DEFAULTS | fields))
np.random.seed(arguments.seed)
model, tokenizer = load(arguments.model)
if mx.default_device() == mx.cpu or not mx.metal.is_available():
    model.set_dtype(mx.float32)
train_set, valid_set, _ = load_dataset(arguments, tokenizer)
speeds = Speeds()
lora.train_model(arguments, model, train_set, valid_set, speeds)
print("SPEEDS " + json.dumps(speeds.seen))
"""


def second_half(moments: list[tuple[float, float]]) -> float:
    """Tokens per second over the second half of (time, tokens so far)."""
    (start, before), (end, after) = moments[len(moments) // 2], moments[-1]
    return (after - before) / (end - start)


def plain_speed(fields: dict[str, object]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", PLAIN, json.dumps(fields | {"adapter_path": folder})],
            capture_output=True,
            text=True,
            check=True,
        )
    line = next(s for s in done.stdout.splitlines() if s.startswith("SPEEDS "))
    return second_half(json.loads(line.removeprefix("SPEEDS ")))


def cockpit_speed(fields: dict[str, object], home: str) -> float:
    """Trains through ``cockpit train`` with the interface attached on a terminal of its own."""
    from cockpit.core import events as ev
    from cockpit.system.run_dir import RunDir

    environment = os.environ | {"COCKPIT_HOME": home}
    started = subprocess.run(
        [
            sys.executable,
            "-m",
            "cockpit",
            "train",
            "--detach",
            "--json",
            "--anyway",
            *flags(fields),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    name = json.loads(started.stdout)["run"]
    with attached(name, environment):
        subprocess.run(
            [sys.executable, "-m", "cockpit", "attach", name, "--json"],
            env=environment,
            capture_output=True,
            check=True,
        )
    run = RunDir(Path(home) / "runs" / name)
    lines = run.attempt(1).trainer_events.read_bytes().splitlines()
    updates = [event for line in lines if isinstance(event := ev.parse_event(line), ev.Updated)]
    return second_half([(update.t, update.trained_tokens) for update in updates])


def flags(fields: dict[str, object]) -> list[str]:
    words: list[str] = []
    for name, value in fields.items():
        if name == "train":
            continue
        if isinstance(value, dict):
            for key, inner in value.items():
                words += ["--" + key, str(inner)]
        else:
            words += ["--" + name.replace("_", "-"), str(value)]
    return words


@contextlib.contextmanager
def attached(name: str, environment: dict[str, str]):  # type: ignore[no-untyped-def]
    """The real interface on a pseudo-terminal that somebody reads."""
    ours, theirs = pty.openpty()
    screen = subprocess.Popen(
        [sys.executable, "-m", "cockpit", "attach", name],
        env=environment | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    reader = threading.Thread(target=drain, args=(ours,), daemon=True)
    reader.start()
    try:
        yield
    finally:
        screen.kill()
        screen.wait()
        reader.join(5)


def drain(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(descriptor, 65536):
            pass


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="model folder (default: the embedded one)")
    parser.add_argument("--data", help="data folder (default: the demo's)")
    parser.add_argument("--iters", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--num-layers", type=int, default=-1)
    parser.add_argument("--max-seq-length", type=int, default=256)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("overhead.json"))
    arguments = parser.parse_args()

    from cockpit.embedded import demo_data_path, nano_path

    fields: dict[str, object] = {
        "model": arguments.model or str(nano_path()),
        "data": arguments.data or str(demo_data_path()),
        "iters": arguments.iters,
        "batch_size": arguments.batch_size,
        "num_layers": arguments.num_layers,
        "max_seq_length": arguments.max_seq_length,
        "steps_per_report": 10,
        "steps_per_eval": 100000,
        "val_batches": 1,
        "save_every": 100000,
        "learning_rate": 1e-4,
    }
    rows = []
    for pair in range(arguments.pairs):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            plain, ours = plain_speed(fields), cockpit_speed(fields, home)
        rows.append({"plain": plain, "cockpit": ours, "ratio": ours / plain})
        print(f"{pair + 1:>4}  {plain:>10.0f}  {ours:>10.0f}  {ours / plain:.3f}", flush=True)
    median = statistics.median(row["ratio"] for row in rows)
    print(f"median ratio {median:.3f} (tokens/s: mlx_lm.lora, cockpit, ratio above; goal 0.98)")
    arguments.output.write_text(json.dumps({"plan": fields, "pairs": rows, "median": median}))


if __name__ == "__main__":
    main()
