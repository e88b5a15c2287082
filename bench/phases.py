"""What else a run does, forecast beside measured: loading, resuming, validating, answering.

    python bench/phases.py MODEL_DIR [--only TEXT] [--out FILE]

MODEL_DIR is a small model with 32-bit weights, such as scripts/smollm2.py writes; a copy with
16-bit weights is made of it. Each case is a run of ``cockpit train`` whose plan makes another
phase the peak, and prints the peak and the footprint of the whole trainer as its own process and
the kernel report them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

STORY = "Once upon a time there was a small house by the sea, and in it lived an old sailor. "
TINY: dict[str, Any] = {
    "batch_size": 1,
    "max_seq_length": 33,
    "num_layers": 2,
    "loss_chunks": 4,
    "val_batches": 1,
    "iters": 4,
}
CASES: dict[str, dict[str, Any]] = {
    "16 bits, tiny plan": {"bits": 16},
    "32 bits, tiny plan": {},
    "32 bits, usual plan": {"loss_chunks": 1, "num_layers": -1, "max_seq_length": 257},
    "32 bits, accumulated": {"num_layers": -1, "grad_accumulation_steps": 2},
    "one short prompt": {"sample_prompts": [STORY]},
    "a long prompt": {"sample_prompts": [STORY * 40]},
    "a longer prompt, 16 bits": {"bits": 16, "sample_prompts": [STORY * 60]},
    "long validation": {"valid": 40, "max_seq_length": 513},
    "long test": {"tested": 40, "max_seq_length": 513, "test": True, "test_batches": 2},
    "resumed, adamw": {"optimizer": "adamw", "resumed": True},
    "resumed, full, sgd": {"optimizer": "sgd", "fine_tune_type": "full", "resumed": True},
    "resumed, full, adam": {"optimizer": "adam", "fine_tune_type": "full", "resumed": True},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="cockpit-phases-") as folder:
        place = Path(folder)
        models = {32: arguments.model.absolute(), 16: halved(arguments.model, place / "half")}
        for name, case in CASES.items():
            if arguments.only in name:
                rows.append(measure(name, dict(case), models, place / name.replace(" ", "-")))
                print(line_of(rows[-1]), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1))
    return 0 if all(row["low"] <= row["measured"] <= row["high"] for row in rows) else 1


def halved(model: Path, to: Path) -> Path:
    """A copy of ``model`` in bfloat16."""
    import mlx.core as mx

    shutil.copytree(model, to, ignore=shutil.ignore_patterns("*.safetensors", "*.whl"))
    config = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps(config | {"torch_dtype": "bfloat16"}))
    arrays = mx.load(str(model / "model.safetensors"))
    assert isinstance(arrays, dict)
    cast = {name: value.astype(mx.bfloat16) for name, value in arrays.items()}
    mx.save_safetensors(str(to / "model.safetensors"), cast)
    return to


def measure(
    name: str, case: dict[str, Any], models: dict[int, Path], place: Path
) -> dict[str, Any]:
    model, resumed = models[case.pop("bits", 32)], case.pop("resumed", False)
    data = place / "data"
    data.mkdir(parents=True)
    lengths = {"train": 1, "valid": case.pop("valid", 1), "test": case.pop("tested", 1)}
    for split, stories in lengths.items():
        row = json.dumps({"text": STORY * stories})
        (data / f"{split}.jsonl").write_text(f"{row}\n" * 8)
    plan = place / "plan.toml"
    plan.write_text(toml(TINY | case | {"model": str(model), "data": str(data)}))
    environment = os.environ | {"COCKPIT_HOME": str(place / "home")}
    train = [sys.executable, "-m", "cockpit", "train", str(plan), "--anyway", "--json"]
    done = ask(train, environment)
    if resumed:
        train = [sys.executable, "-m", "cockpit", "resume", done["run"], "--iters", "8", "--json"]
        done = ask(train, environment)
    run = Path(environment["COCKPIT_HOME"]) / "runs" / Path(done["run"]).name
    attempt = sorted((run / "attempts").iterdir())[-1]
    forecast = json.loads((attempt / "forecast.json").read_text())
    return {
        "name": name,
        "phase": forecast["peak_phase"],
        "forecast": forecast["peak_bytes"],
        "low": forecast["low_bytes"],
        "high": forecast["high_bytes"],
        "measured": done["measured_peak_bytes"],
        "footprint_forecast": forecast["footprint_bytes"],
        "footprint": high_water(run, attempt),
    }


def toml(fields: dict[str, Any]) -> str:
    import tomli_w

    return tomli_w.dumps(fields)


def ask(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def high_water(run: Path, attempt: Path) -> int:
    """The largest footprint that the supervisor saw of the attempt's trainer."""
    found, current = 0, 1
    for text in (run / "supervisor.jsonl").read_text().splitlines():
        event = json.loads(text)
        sample = event.get("sample") or event
        current = event.get("attempt", current)  # samples do not say whose they are
        if current == int(attempt.name):
            found = max(found, sample.get("footprint_bytes") or 0)
    return found


def line_of(row: dict[str, Any]) -> str:
    def error(forecast: int, measured: int) -> str:
        return f"{100 * (forecast / measured - 1):+6.2f} %" if measured else "n/a"

    inside = "" if row["low"] <= row["measured"] <= row["high"] else " OUTSIDE"
    return (
        f"{row['name']:26} {row['phase']:24} peak {row['measured'] / 1e6:8.2f} MB forecast "
        f"{row['forecast'] / 1e6:8.2f} {error(row['forecast'], row['measured'])}{inside}  "
        f"footprint {row['footprint'] / 1e6:8.2f} forecast {row['footprint_forecast'] / 1e6:8.2f} "
        f"{error(row['footprint_forecast'], row['footprint'])}"
    )


if __name__ == "__main__":
    sys.exit(main())
