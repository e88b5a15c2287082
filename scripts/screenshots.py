"""Makes screenshots/{choose,run,runs}.svg from a real training of the embedded model.

    python scripts/screenshots.py [--size 110x34] [--folder screenshots]
                                  [--model FOLDER] [--data FOLDER] [--updates 60]

Nothing in the pictures is made up: a run is launched from the Choose screen with the real
supervisor and trainer, and the Run screen is taken while it trains. Without --model it is the
embedded model, as in the committed pictures; scripts/smollm2.py makes a larger one. Runs
land in a temporary home. With resvg-py installed (a development tool, not a dependency) PNGs are
written too.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from cockpit.core.plan import RunPlan
from cockpit.embedded import demo_data_path
from cockpit.system import run_dir
from cockpit.ui.app import CockpitApp
from cockpit.ui.presets import base_plan
from cockpit.ui.screens.run import RunScreen
from cockpit.ui.widgets.estimate import Estimate
from cockpit.ui.widgets.runs_table import RunsTable

GIVE_UP_SECONDS = 300.0
# Enough of the run to see the curve fall and a validation or two.
SHARE_DONE = 0.65
FONTS = Path("/usr/share/fonts")


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the interface did not get there")
        await pilot.pause(0.1)


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


async def take_all(size: tuple[int, int], folder: Path, plan: RunPlan) -> list[Path]:
    """Walks through the interface as a newcomer does; returns the pictures."""
    app = CockpitApp("choose", plan)
    taken: list[Path] = []

    def take(name: str) -> None:
        path = folder / f"{name}.svg"
        path.write_text(app.export_screenshot(title="cockpit", simplify=True))
        taken.append(path)

    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.screen.query(Estimate))
        estimate = app.screen.query_one(Estimate)
        await until(pilot, lambda: is_traced(estimate))
        await pilot.press("tab", *["down"] * 5)
        await pilot.pause()
        take("choose")

        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await pilot.press("l")
        await until(pilot, lambda: (screen.view.share_done or 0.0) >= SHARE_DONE)
        take("run")

        await until(pilot, lambda: not screen.view.state.active)
        await second_run(pilot)
        take("runs")
    return taken


def is_traced(estimate: Estimate) -> bool:
    settled = not (estimate.waiting or estimate.tracing or estimate.stale)
    return settled and estimate.forecast is not None and estimate.forecast.method == "trace"


async def second_run(pilot: Pilot[None]) -> None:
    """Another run, smaller, so that the list has one that goes on and one that is done."""
    app = pilot.app
    await pilot.press("n")
    await until(pilot, lambda: app.screen.query(Estimate))
    await pilot.press("ctrl+r")
    await until(pilot, lambda: isinstance(app.screen, RunScreen))
    await pilot.press("r")
    await until(pilot, lambda: app.screen.query(RunsTable))
    table = app.screen.query_one(RunsTable)
    await until(pilot, lambda: table.runs and table.runs[0].summary.status == "running")
    await until(pilot, lambda: table.runs[0].summary.final_train_loss is not None)


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
    from cockpit.system import observe

    while any(observe.current_state(run).active for run in run_dir.all_runs()):
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="110x34", metavar="COLUMNSxROWS")
    parser.add_argument("--folder", type=Path, default=Path("screenshots"))
    parser.add_argument("--model", type=Path, help="A model folder; without it, 'nano'.")
    parser.add_argument("--data", type=Path, default=demo_data_path())
    parser.add_argument("--updates", type=int, default=60)
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
        plan = plan_for(model, options.updates)
        taken = asyncio.run(take_all((int(columns), int(rows)), folder, plan))
        wait_for_runs()
    for svg in taken:
        png = to_png(svg)
        print(svg, png or "(no PNG: resvg-py is not installed)")


if __name__ == "__main__":
    main()
