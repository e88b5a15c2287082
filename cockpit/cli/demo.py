"""``cockpit demo``: a real model learns a real habit, on any machine, in about a minute."""

from __future__ import annotations

import argparse
from typing import Any

from cockpit.cli import interface, output, train
from cockpit.core.plan import RunPlan
from cockpit.embedded import DEMO_PLAN, DEMO_PROMPTS, demo_data_path
from cockpit.system import preflight


def demo_plan() -> RunPlan:
    """The plan of the demo: ``nano`` learns the habit of the embedded data set."""
    fields: dict[str, Any] = {
        "model": "nano",
        "data": str(demo_data_path()),
        "name": "demo",
        "sample_prompts": DEMO_PROMPTS,
    }
    return RunPlan.model_validate(fields | DEMO_PLAN)


def demo(arguments: argparse.Namespace) -> int:
    run = train.launch(preflight.prepare(demo_plan()), anyway=True)
    if interface.on_a_terminal() and not (arguments.plain or arguments.json):
        return interface.show(run)
    output.say("A model of a million parameters is about to learn a new habit.")
    return train.follow_to_the_end(run, as_json=arguments.json)
