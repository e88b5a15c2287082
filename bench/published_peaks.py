"""Forecasts beside peaks that others measured on Metal and published; nothing is tuned to them.

    python bench/published_peaks.py [--out FILE.md]

Not validated: no Mac was at hand. Before mlx 0.32.4 Metal's backward pass took attention apart,
so both ways are shown. Below them a plan that was once hoped to take 5.2 GB on an 8 GB Mac, and
what would fit there.
"""

from __future__ import annotations

import argparse
import gc
import tomllib
from pathlib import Path
from typing import Any

from cockpit import catalogue
from cockpit.catalogue import CatalogueModel
from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import parse_profile
from cockpit.memory import build
from cockpit.memory.trace import Trained, trace

HERE = Path(__file__).parent
PEAKS = HERE / "published-peaks.toml"
PROFILE = HERE.parent / "profiles" / "m2-air-8.toml"

HOPED_GB = 5.2
HOPED: dict[str, Any] = {
    "batch_size": 4,
    "max_seq_length": 2048,
    "num_layers": -1,
    "grad_checkpoint": True,
    "lora_parameters": {"rank": 32},
}
# One lever after the other, each with those above it.
LEVERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("as it was written, float16", {}),
    ("the loss in 8 chunks", {"loss_chunks": 8}),
    ("batch 1, accumulated 4 times", {"batch_size": 1, "grad_accumulation_steps": 4, "iters": 400}),
    ("packed in 4 bits", {"model": "Qwen2.5-1.5B-4bit"}),
    ("sequences of 1,024", {"max_seq_length": 1024}),
    ("16 of its 28 layers", {"num_layers": 16}),
)


def main() -> None:
    gc.disable()  # graphs are large and short-lived
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write it here too")
    out = parser.parse_args().out
    text = "\n".join([*published(), "", *hoped()]) + "\n"
    print(text, end="")
    if out:
        out.write_text(text)


def published() -> list[str]:
    """The table of published peaks."""
    lines = [
        "# Peaks on Metal",
        "Made by `bench/published_peaks.py`. Nothing here was measured by this project, and",
        "nothing is tuned to it: **not validated on Metal**.",
        "",
        "| Published by | Plan | Measured | Blocked attention | Attention apart |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for row in tomllib.loads(PEAKS.read_text())["peak"]:
        name = row["model"].replace(" ", "-")
        model = catalogue.find(name) or catalogue.find(f"mlx-community/{name}")
        measured = row["gb"] * 1e9 if "gb" in row else row["gib"] * 2**30
        plan = f"{row['model']}, {row['batch']} x {row['tokens']}"
        plan += ", checkpointed" if row.get("grad_checkpoint") else ""
        cells = [row["source"], plan, f"{measured / 1e9:.2f} GB"]
        for blocked in (True, False):
            cells.append(_compared(row, model, blocked, measured))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _compared(
    row: dict[str, Any], model: CatalogueModel | None, blocked: bool, measured: float
) -> str:
    if model is None:
        return "n/a (not in the catalogue)"
    peak = forecast(row, model, blocked).peak_bytes
    return f"{peak / 1e9:.2f} GB ({100 * (peak / measured - 1):+.0f} %)"


def forecast(row: dict[str, Any], model: CatalogueModel, blocked: bool) -> MemoryForecast:
    """The forecast of plain mlx-lm on the machine of ``row``."""
    plan = RunPlan(
        model=row["model"],
        data="as published",
        batch_size=row["batch"],
        max_seq_length=row["tokens"],
        num_layers=row.get("layers", -1),
        grad_checkpoint=row.get("grad_checkpoint", False),
        lora_parameters={"rank": row.get("rank", 8)},  # type: ignore[arg-type]
    )
    shape = (row["batch"], row["tokens"])
    where = Trained("metal", row.get("machine"), "mlx_lm", blocked)
    return trace(build.from_config_alone(model.config()), plan, shape, shape, where).forecast


def hoped() -> list[str]:
    """The plan that was hoped to take 5.2 GB, and what it takes to fit."""
    profile = parse_profile(PROFILE.read_text(), PROFILE.stem)
    budget_bytes = profile.budget_bytes
    lines = [
        f"# Qwen2.5-1.5B on {profile.title}",
        f"Batch 4, sequences of 2,048, rank 32, checkpointing: hoped to take {HOPED_GB} GB. The",
        f"machine offers a run {budget_bytes / 1e9:.2f} GB (profiles/{PROFILE.name}). Each row",
        "keeps the changes above it; forecasts, not validated on Metal.",
        "",
        "| Plan | Peak | With its process | Largest part | Fits |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    fields: dict[str, Any] = {"model": "Qwen2.5-1.5B-fp16", "data": "as hoped", **HOPED}
    for words, changes in LEVERS:
        fields |= changes
        plan = RunPlan.model_validate(fields)
        model = catalogue.find(plan.model)
        if model is None:
            raise SystemExit(f"{plan.model} is not in the catalogue")
        shape = (plan.batch_size, plan.max_seq_length)
        where = Trained("metal", profile.chip)
        found = trace(build.from_config_alone(model.config()), plan, shape, shape, where).forecast
        part, size_bytes = max(found.parts.items(), key=lambda item: item[1])
        fits = "yes" if found.fits(budget_bytes) else "no"
        largest = f"{part.replace('_', ' ')} {size_bytes / 1e9:.2f} GB"
        sizes = (f"{size / 1e9:.2f} GB" for size in (found.peak_bytes, found.needed_bytes))
        lines.append(f"| {' | '.join((words, *sizes, largest, fits))} |")
    return lines


if __name__ == "__main__":
    main()
