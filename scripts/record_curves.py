"""Records the curves that tests/core/test_concerns.py judges: real runs of the embedded model.

    python scripts/record_curves.py            # minutes; writes tests/core/curves/*.json

Each is a list of the trainer's own events, reduced to what the rules read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
CURVES = ROOT / "tests/core/curves"
DEMO = ROOT / "cockpit/embedded/demo"
COMMON = ["--model", "nano", "--save-every", "100000", "--num-layers", "-1", "--anyway"]
KEPT = {"update", "validation"}
FIELDS = (
    "type", "update", "loss", "learning_rate", "tokens_per_second", "tokens", "seconds",
)  # fmt: skip


def main() -> None:
    CURVES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few"
        few.mkdir()
        lines = (DEMO / "train.jsonl").read_text().splitlines(keepends=True)
        (few / "train.jsonl").write_text("".join(lines[:8]))
        (few / "valid.jsonl").write_bytes((DEMO / "valid.jsonl").read_bytes())
        record("healthy", DEMO, "--iters", "400", "--learning-rate", "5e-4", "--batch-size", "4")
        record("flat", DEMO, "--iters", "600", "--learning-rate", "1e-9", "--batch-size", "4")
        record(
            "by_heart", few, "--iters", "200", "--learning-rate", "5e-4", "--batch-size", "4",
            "--steps-per-eval", "20",
        )  # fmt: skip
        record(
            "spiked", DEMO, "--iters", "120", "--batch-size", "4", "--learning-rate", "5e-4",
            change=(80, "3e-1"),
        )  # fmt: skip


def record(name: str, data: Path, *flags: str, change: tuple[int, str] | None = None) -> None:
    """Trains with ``flags``; ``change`` sets another learning rate after that update."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"COCKPIT_HOME": home}
        cockpit = [sys.executable, "-m", "cockpit"]
        command = [*cockpit, "train", *COMMON, "--data", str(data), *flags]
        if change is None:
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        else:
            subprocess.run([*command, "--detach"], env=environment, check=True)
            _change_at(home, *change, environment)
        (run,) = (Path(home) / "runs").iterdir()
        text = (run / "attempts/001/trainer.jsonl").read_text()
    events = [event for line in text.splitlines() if (event := json.loads(line))["type"] in KEPT]
    rows = [{k: _short(event[k]) for k in FIELDS if k in event} for event in events]
    lines = ",\n".join(json.dumps(row) for row in rows)
    (CURVES / f"{name}.json").write_text(f"[\n{lines}\n]\n")
    print(f"{name}: {len(rows)} events", flush=True)


def _change_at(home: str, update: int, rate: str, environment: dict[str, str]) -> None:
    import time

    from cockpit.core.run_state import ACTIVE
    from cockpit.system import observe
    from cockpit.system.run_dir import RunDir

    (path,) = (Path(home) / "runs").iterdir()
    run, asked = RunDir(path), False
    while (state := observe.current_state(run)).status in ACTIVE:
        if state.update >= update and not asked:
            asked = True
            command = [sys.executable, "-m", "cockpit", "set", path.name, "--learning-rate", rate]
            subprocess.run(command, env=environment, check=True)
        time.sleep(0.1)


def _short(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
