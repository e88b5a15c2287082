"""Models that loop over the tokens: their rough estimate beside what the real trainer measured.

    python bench/looped.py [--only TEXT] [--out FILE.json]

A gated delta rule has too many operations to trace at length, so its forecast is extended from
short sequences (cockpit/memory/extend.py). The models are small ones of Qwen3.5's and Qwen3-Next's
kind with random weights; each trains one update, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from forecast import measure
from forecast_architectures import ARCHITECTURES
from forecast_cases import Case
from forecast_measure import build_model

from cockpit.memory import extend
from cockpit.memory.trace import Trained

WIDE: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 1024,
    "vocab_size": 8000,
    "full_attention_interval": 4,
    "linear_num_value_heads": 8,
    "linear_num_key_heads": 8,
    "linear_key_head_dim": 64,
    "linear_value_head_dim": 64,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--out", type=Path, help="write the rows here as JSON")
    arguments = parser.parse_args()
    extend.MOST_LOOPED = 0  # the whole of a small one could be traced
    rows = []
    for case in cases():
        if arguments.only in case.name:
            rows.append(compare(case))
            print(_line(rows[-1]), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1))
    return 0 if all(row["low"] <= row["measured"] <= row["high"] for row in rows) else 1


def cases() -> list[Case]:
    small = _with("qwen3_5", vocab_size=2000)
    four, twelve = (_with("qwen3_5", **WIDE, num_hidden_layers=count) for count in (4, 12))
    kept = {"grad_checkpoint": True}
    return [
        Case("small", small, 1, 512, updates=1),
        Case("small checkpointed", small, 1, 768, kept, updates=1),
        Case("experts checkpointed", ARCHITECTURES["qwen3_next"], 2, 256, kept, updates=1),
        Case("wide", four, 1, 256, updates=1),
        Case("wide checkpointed", four, 1, 512, kept, updates=1),
        Case("wide and deep checkpointed", twelve, 1, 256, kept | {"num_layers": 12}, updates=1),
    ]


def _with(name: str, **fields: Any) -> dict[str, Any]:
    config = ARCHITECTURES[name]
    return config | {"text_config": config["text_config"] | fields}


def compare(case: Case) -> dict[str, Any]:
    start = time.monotonic()
    plan = case.run_plan
    found = extend.forecast(lambda: build_model(case), plan, case.batches, Trained(loads=False))
    seconds = time.monotonic() - start
    measured = max((measure(case) or {}).values(), default=0)
    return {
        "case": case.name,
        "batch": list(case.batches.train),
        "measured": measured,
        "forecast": found.peak_bytes,
        "low": found.low_bytes,
        "high": found.high_bytes,
        "seconds": seconds,
        "note": found.notes[0],
    }


def _line(row: dict[str, Any]) -> str:
    error = 100 * (row["forecast"] / row["measured"] - 1) if row["measured"] else float("nan")
    batch = "x".join(map(str, row["batch"]))
    return (
        f"{row['case']:28} {batch:>7} measured {row['measured'] / 1e6:8.1f} MB forecast "
        f"{row['forecast'] / 1e6:8.1f} {error:+6.1f} % in {row['seconds']:.1f} s; {row['note']}"
    )


if __name__ == "__main__":
    sys.exit(main())
