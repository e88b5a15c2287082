"""Forecasts beside peaks that others measured on Metal and published; nothing is tuned to them.

    python bench/published_peaks.py

Not validated: no Mac was at hand. Before mlx 0.32.4 Metal's backward pass took attention apart,
so both ways are shown.
"""

from __future__ import annotations

import gc
import tomllib
from pathlib import Path
from typing import Any

from cockpit import catalogue
from cockpit.catalogue import CatalogueModel
from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.memory import build
from cockpit.memory.trace import Trained, trace

PEAKS = Path(__file__).with_name("published-peaks.toml")


def main() -> None:
    gc.disable()  # graphs are large and short-lived
    for row in tomllib.loads(PEAKS.read_text())["peak"]:
        name = row["model"].replace(" ", "-")
        model = catalogue.find(name) or catalogue.find(f"mlx-community/{name}")
        measured = row["gb"] * 1e9 if "gb" in row else row["gib"] * 2**30
        title = f"{row['model']}, {row['batch']} x {row['tokens']}"
        title += ", checkpointed" if row.get("grad_checkpoint") else ""
        if model is None:
            print(f"{title:60} measured {measured / 1e9:6.2f} GB, not in the catalogue")
            continue
        shown = [f"{title:60} measured {measured / 1e9:6.2f} GB"]
        for words, blocked in (("blocked attention", True), ("attention apart", False)):
            peak = forecast(row, model, blocked).peak_bytes
            shown.append(f"{words} {peak / 1e9:6.2f} GB ({100 * (peak / measured - 1):+.0f} %)")
        print(", ".join(shown))


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


if __name__ == "__main__":
    main()
