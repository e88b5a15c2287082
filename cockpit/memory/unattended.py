"""``python -m cockpit.memory.unattended RUN_PATH SUPERVISOR``: takes the first rung that fits.

A process of its own, started by the supervisor, whose pid it is given, and gone before anything
trains. It writes one JSON object: ``{"attempt": N}`` or ``{"title", "message", "remedy"}``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from cockpit.core.format import gigabytes
from cockpit.core.ladder import Ladder, Rung
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.memory import recovery
from cockpit.memory.oracle import Oracle, limits_of
from cockpit.memory.situation import examine
from cockpit.system import hardware
from cockpit.system.run_dir import RunDir


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        document: dict[str, Any] = {"attempt": go_on(RunDir(Path(sys.argv[1])), int(sys.argv[2]))}
    except CockpitError as error:
        document = dict(error.to_json())
    print(json.dumps(document), file=answers, flush=True)


def go_on(run: RunDir, supervisor: int) -> int:
    """Adds the attempt that goes on and returns its number; CockpitError if a person must choose.

    Nothing runs the attempt yet: it is not added unless ``supervisor`` is there to do so.
    """
    situation = examine(run)
    with Oracle(hardware.this_machine(), adapted_layers=situation.adapted_layers) as oracle:
        limits = limits_of(situation.plan, use_data=True)
        found = recovery.ladder(situation, oracle.price, limits, oracle.lengths, until_fits=True)
    rung = choose(found, situation.plan, run)
    if os.getppid() != supervisor:
        raise CockpitError("The supervisor is gone", "", f"Go on with: cockpit recover {run.name}")
    attempt = recovery.take(
        situation, rung, automatic=True, launch=False, budget_bytes=found.budget_bytes
    )
    return attempt.number


def choose(ladder: Ladder, plan: RunPlan, run: RunDir) -> Rung:
    """The rung that may be taken without asking; CockpitError where there is none."""
    rung = ladder.chosen
    remedy = f"Choose a way on: cockpit recover {run.name}"
    if rung is None or not rung.fits:
        why = "; ".join(f"{r.title}: {r.why_not}" for r in ladder.rungs if r.why_not)
        title = f"No change makes it fit {gigabytes(ladder.budget_bytes)}"
        raise CockpitError(title, why or ladder.budget_reason, remedy)
    if rung.below_floor:
        floors = f"floor_seq_length {plan.floor_seq_length}"
        floors += f", floor_num_layers {plan.floor_num_layers}"
        message = f"{rung.title} would fit, and the plan asks before going below {floors}"
        raise CockpitError("What fits is below the plan's floor", message, remedy)
    return rung


if __name__ == "__main__":
    main()
