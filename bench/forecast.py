"""Forecast beside measured peak memory, and beside the formulas people use.

    python bench/forecast.py [--quick] [--only TEXT] [--smollm2 DIR] [--out FILE.json]
                             [--measured FILE.json]

Each plan is trained for a few updates in a process of its own (see forecast_measure.py). The
measured peaks can be kept with --out and compared again later with --measured. DIR is what
scripts/smollm2.py wrote.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from forecast_baselines import BASELINES
from forecast_cases import Case, cases, of_smollm2, quick_cases

HERE = Path(__file__).parent
EXPLAINED_PERCENT = 0.5
GOALS = "goals on CPU: median 0.15 %, p90 0.6 %, worst 1.5 %, never more than 0.5 % too low"


def main() -> int:
    arguments = _arguments()
    known: dict[str, dict[str, int]] = {}
    if arguments.measured:
        rows = json.loads(Path(arguments.measured).read_text())["cases"]
        known = {row["key"]: row["measured"] for row in rows}
    rows = []
    chosen = quick_cases() if arguments.quick else cases()
    if arguments.smollm2:
        chosen += of_smollm2(Path(arguments.smollm2))
    for case in chosen:
        if arguments.only and arguments.only not in case.name:
            continue
        key = f"{case.name} / {case.flavour}"
        if arguments.measured and key not in known:
            continue
        measured = known.get(key) or measure(case)
        row = compare(case, measured) if measured else None
        if row is None:
            print(f"{key:44} failed", flush=True)
            continue
        rows.append(row | {"key": key, "measured": measured})
        print(_line(rows[-1]), flush=True)
    summary = summarize(rows)
    print(*_summary_lines(summary), sep="\n")
    if arguments.out:
        Path(arguments.out).write_text(json.dumps({"summary": summary, "cases": rows}, indent=1))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few small cases")
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--smollm2", help="folder of SmolLM2-135M: also with its real weights")
    parser.add_argument("--out", help="write everything here as JSON")
    parser.add_argument("--measured", help="measured peaks of an earlier --out, not measured again")
    return parser.parse_args()


def measure(case: Case) -> dict[str, int] | None:
    """Measured peaks of the case, from a process of its own; None if it failed."""
    command = [sys.executable, str(HERE / "forecast_measure.py"), json.dumps(asdict(case))]
    environment = os.environ | {"PYTHONPATH": f"{HERE}:{HERE.parent}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            result: dict[str, int] = json.loads(line.removeprefix("RESULT "))
            return result
    print(done.stderr[-800:], file=sys.stderr)
    return None


def compare(case: Case, measured: dict[str, int]) -> dict[str, Any]:
    """One row of the table; errors in percent of the measured peak."""
    from forecast_measure import build_model

    from cockpit.memory.trace import Trained, trace

    start = time.perf_counter()
    model = build_model(case)
    batches = case.batches
    found = trace(
        model,
        case.run_plan,
        batches.train,
        batches.valid,
        Trained(flavour=case.flavour, loads=False),
        micro=batches.micro,
    )
    seconds = time.perf_counter() - start
    forecast, peak = found.forecast, max(measured.values())
    phases = {p.name: p.peak_bytes for p in found.peaks}
    return {
        "batch": list(batches.train),
        "forecast": forecast.peak_bytes,
        "error": _percent(forecast.peak_bytes, peak),
        "validation_error": _percent(phases["validation"], measured["validation"]),
        "explained": _explanation(found, peak),
        "floor_error": _percent(forecast.floor_bytes or 0, peak),
        "inside_band": forecast.low_bytes <= peak <= forecast.high_bytes,
        "low": forecast.low_bytes,
        "high": forecast.high_bytes,
        "notes": list(forecast.notes),
        "seconds": seconds,
        "baselines": {
            name: _percent(formula(case, model), peak) for name, formula in BASELINES.items()
        },
    }


def _explanation(found: Any, measured_bytes: int) -> str:
    """Why an error above EXPLAINED_PERCENT is what it is; empty for smaller ones."""
    peak_bytes = found.forecast.peak_bytes
    if abs(_percent(peak_bytes, measured_bytes)) <= EXPLAINED_PERCENT:
        return ""
    highest = max(found.peaks, key=lambda phase: phase.peak_bytes)
    lowest_bytes = highest.lowest_bytes
    if lowest_bytes <= measured_bytes <= peak_bytes:
        return (
            f"where in a task an update starts moves the {highest.name} from "
            f"{lowest_bytes / 1e6:.2f} to {peak_bytes / 1e6:.2f} MB: this run never met the highest"
        )
    if highest.name == "validation" and found.forecast.floor_bytes <= measured_bytes <= peak_bytes:
        return (
            "the forecast has work as far ahead as MLX lets it be: light operations were done "
            "sooner, which no run has to be"
        )
    return "not explained"


def _percent(value: float, of: float) -> float:
    return 100 * (value / of - 1)


def _line(row: dict[str, Any]) -> str:
    peak = max(row["measured"].values())
    batch = "x".join(map(str, row["batch"]))
    return (
        f"{row['key']:44} {batch:>7} measured {peak / 1e6:8.2f} MB forecast "
        f"{row['forecast'] / 1e6:8.2f} {row['error']:+6.2f} % band {row['low'] / 1e6:.1f} to "
        f"{row['high'] / 1e6:.1f}{'' if row['inside_band'] else ' OUTSIDE'} "
        f"validation {row['validation_error']:+.2f} %"
        f"{'; ' + row['explained'] if row['explained'] else ''}"
    )


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Error statistics of the forecast and of each formula, in percent."""
    if not rows:
        return {}
    series = {"forecast": [row["error"] for row in rows]}
    series["freed at last use"] = [row["floor_error"] for row in rows]
    for name in BASELINES:
        errors = [row["baselines"][name] for row in rows]
        series[name] = [error for error in errors if not math.isnan(error)]
    spreads = {name: _spread(errors) for name, errors in series.items() if errors}
    return {"cases": len(rows)} | spreads


def _spread(errors: list[float]) -> dict[str, float]:
    sizes = sorted(abs(error) for error in errors)
    return {
        "median": statistics.median(sizes),
        "p90": sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))],
        "worst": sizes[-1],
        "most_too_low": min(errors),
    }


def _summary_lines(summary: dict[str, Any]) -> list[str]:
    if not summary:
        return ["no cases"]
    lines = [f"{summary['cases']} cases; {GOALS}"]
    for name, spread in summary.items():
        if isinstance(spread, dict):
            figures = ", ".join(f"{key.replace('_', ' ')} {x:.2f}" for key, x in spread.items())
            lines.append(f"{name:34} {figures} %")
    return lines


if __name__ == "__main__":
    sys.exit(main())
