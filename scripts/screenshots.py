"""Makes screenshots/*.svg from real trainings: the tour of scripts/tour.py.

    python -m scripts.screenshots [--size 110x34] [--folder screenshots]
                                  [--model FOLDER] [--data FOLDER] [--updates 60]
                                  [--limit-mb 2600] [--theme NAME]

Nothing in the pictures is made up. Without --model it is the embedded model; scripts/smollm2.py
makes the larger one of the committed pictures. Runs land in a temporary home. With resvg-py
installed (a development tool, not a dependency) PNGs are written too.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import shutil
import tempfile
import time
from pathlib import Path

from cockpit.core.plan import RunPlan
from cockpit.embedded import demo_data_path
from cockpit.system import observe, run_dir
from cockpit.ui.presets import base_plan
from scripts import tour

FONTS = Path("/usr/share/fonts")


def plan_for(model: str, updates: int) -> RunPlan:
    """The demo's plan for the embedded model; else one that learns something in a few updates."""
    demo = base_plan("nano")
    if model == "nano":
        return demo.model_copy(update={"data": "data"})
    fields = {
        "model": model, "data": "data", "iters": updates, "learning_rate": 2e-4, "num_layers": 16,
        "max_seq_length": 256, "mask_prompt": True, "steps_per_report": 1, "val_batches": 10,
        "steps_per_eval": max(1, updates // 5), "save_every": max(1, updates // 3),
        "sample_prompts": demo.sample_prompts,
    }  # fmt: skip
    return RunPlan.model_validate(fields)


def too_large(plan: RunPlan) -> RunPlan:
    """The same with eight times the examples at once, for fewer updates."""
    return plan.with_changes(batch_size=8 * plan.batch_size, iters=10, save_every=5)


async def take_all(stops: tour.Tour, plan: RunPlan, limit_bytes: int) -> None:
    await tour.first_run(stops, plan)
    await tour.out_of_memory(stops, too_large(plan), limit_bytes)
    await tour.all_runs(stops, plan_for("nano", 0))
    await tour.data(stops, Path(plan.data), plan.model)


def to_png(svg: Path) -> Path | None:
    """A PNG beside the SVG if resvg-py is installed."""
    if importlib.util.find_spec("resvg_py") is None:
        return None
    import resvg_py

    fonts = [str(path) for path in FONTS.rglob("*.ttf") if path.stem.startswith(("Fira", "DejaVu"))]
    picture = resvg_py.svg_to_bytes(
        svg_string=svg.read_text(), font_files=fonts, monospace_family="Fira Code", width=1400
    )
    path = svg.with_suffix(".png")
    path.write_bytes(bytes(picture))
    return path


def wait_for_runs() -> None:
    """A temporary home may only go when nobody writes into it any more."""
    while any(observe.current_state(run).active for run in run_dir.all_runs()):
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="110x34", metavar="COLUMNSxROWS")
    parser.add_argument("--folder", type=Path, default=Path("screenshots"))
    parser.add_argument("--model", type=Path, help="A model folder; without it, 'nano'.")
    parser.add_argument("--data", type=Path, default=demo_data_path(), help="Data of all the runs.")
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--limit-mb", type=int, default=2600, help="What kills the large plan.")
    parser.add_argument("--theme")
    options = parser.parse_args()
    columns, _, rows = options.size.partition("x")
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    os.environ.pop("NO_COLOR", None)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ.update(COCKPIT_HOME=home, HF_HUB_CACHE=str(Path(home) / "hub"))
        shutil.copytree(options.data, Path(home) / "data")
        model = "nano"
        if options.model is not None:
            model = f"./models/{options.model.name}"
            (Path(home) / "models").mkdir()
            (Path(home) / model).symlink_to(options.model.absolute())
        os.chdir(home)
        stops = tour.Tour(folder, (int(columns), int(rows)), options.theme)
        plan = plan_for(model, options.updates)
        asyncio.run(take_all(stops, plan, options.limit_mb * 10**6))
        wait_for_runs()
    for svg in stops.taken:
        png = to_png(svg)
        print(svg, png or "(no PNG: resvg-py is not installed)")


if __name__ == "__main__":
    main()
