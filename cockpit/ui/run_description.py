"""Everything known about a run, as text to read."""

from __future__ import annotations

from cockpit.core import format as fmt
from cockpit.errors import CockpitError
from cockpit.system import checkpoints, observe, tags
from cockpit.system.run_dir import RunDir
from cockpit.system.summary import RunSummary
from cockpit.ui.runs_columns import in_line
from cockpit.ui.spans import text_of
from cockpit.ui.widgets.run_detail import detail_lines


def describe(run: RunDir, summary: RunSummary) -> tuple[str, str]:
    """Title and text: reads its folder."""
    state = observe.current_state(run)
    best = state.best_validation
    lines = [
        f"folder        {run.path}",
        f"state         {summary.status}, attempt {state.attempt or 'n/a'}",
        f"tags          {in_line(tags.read(run)) or 'none'}",
        f"updates       {fmt.count(state.update)} of {fmt.count(state.updates)}",
        f"train loss    {fmt.loss(summary.final_train_loss)}",
        f"validation    {f'best {fmt.loss(best.loss)} at {best.update}' if best else 'n/a'}",
        f"test loss     {fmt.loss(state.test.loss if state.test else None)}",
        f"peak memory   {fmt.gigabytes(summary.measured_peak_bytes)}"
        f" (forecast {fmt.gigabytes(summary.predicted_peak_bytes)})",
        f"checkpoints   {', '.join(map(str, checkpoints.updates(run))) or 'none'}",
        *(text_of(row).strip() for row in detail_lines(summary, 76)),
    ]
    try:
        fields = run.plan().model_dump(exclude_defaults=True)
        lines += ["", "plan (what differs from mlx-lm's defaults)"]
        lines += [f"  {name} = {value}" for name, value in fields.items()]
    except CockpitError as error:
        lines += ["", str(error)]
    return summary.run, "\n".join(lines)
