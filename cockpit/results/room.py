"""Whether a result may be worked on while something trains: only if the forecast says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cockpit.core.format import gigabytes
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.memory.forecast import NoForecast
from cockpit.memory.oracle import Oracle
from cockpit.results.choice import Choice
from cockpit.system import hardware, run_dir, sensors
from cockpit.system.run_dir import RunDir
from cockpit.system.summary import digest

# Python, mlx-lm and what it imports, beside what MLX counts.
PROCESS_BYTES = 400_000_000
SHORT_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Training:
    """A run that goes on, what it takes now, and the most it is expected to take."""

    run: RunDir
    footprint_bytes: int | None
    forecast_bytes: int | None

    @property
    def growth_bytes(self) -> int:
        return max(0, (self.forecast_bytes or 0) - (self.footprint_bytes or 0))


def training_now() -> list[Training]:
    """The runs that go on on this machine."""
    return [found for run in run_dir.all_runs() if (found := _training(run)) is not None]


def check(choice: Choice, training: list[Training], *, whole_examples: bool) -> None:
    """Raises CockpitError where a second process might take the memory from what trains.

    ``whole_examples`` is for passes over the data, as in a validation; otherwise texts are short.
    Asks a forecaster, which takes seconds; with nothing in ``training`` it asks nobody.
    """
    if not training:
        return
    needed = _needed_bytes(choice, whole_examples=whole_examples)
    room = _room_bytes(training)
    if needed is not None and room is not None and needed <= room:
        return
    first = training[0]
    grows = sum(one.growth_bytes for one in training)
    raise CockpitError(
        "A run is training, and this may take the memory from it",
        f"{first.run.name} trains; this needs {gigabytes(needed)}, and {gigabytes(room)} are free"
        + (f" once it has grown by the {gigabytes(grows)} that it still may" if grows else ""),
        "Wait until it has ended, or stop it and resume it later. On the command line --anyway "
        "does it all the same.",
    )


def small_plan(plan: RunPlan, *, whole_examples: bool) -> RunPlan:
    """The smallest training that takes no less than a pass forward of the same model."""
    changes: dict[str, Any] = {
        "num_layers": 1,
        "grad_accumulation_steps": 1,
        "grad_checkpoint": True,
    }
    if not whole_examples:
        tokens = min(plan.max_seq_length, SHORT_TOKENS)
        changes |= {"batch_size": 1, "max_seq_length": tokens, "long_examples": "cut"}
    return plan.with_changes(**changes)


def _needed_bytes(choice: Choice, *, whole_examples: bool) -> int | None:
    plan = small_plan(choice.plan, whole_examples=whole_examples)
    try:
        with Oracle(hardware.this_machine()) as oracle:
            found = oracle.ask(plan, use_data=whole_examples, compare=False)
    except NoForecast:
        return None
    process = max(found.footprint_bytes or 0, found.peak_bytes + PROCESS_BYTES)
    return process + choice.adapter_bytes


def _room_bytes(training: list[Training]) -> int | None:
    """Free memory less what the training still may take; None if the machine does not say."""
    free = sensors.read_memory().ram_available_bytes
    budget = hardware.this_machine().budget_bytes
    if free is None:
        return None
    taken = sum(max(one.footprint_bytes or 0, one.forecast_bytes or 0) for one in training)
    grows = sum(one.growth_bytes for one in training)
    return max(0, min(free - grows, budget - taken))


def _training(run: RunDir) -> Training | None:
    state = digest(run)
    if not state.active:
        return None
    attempts = run.attempts()
    forecast = (attempts[-1].forecast() if attempts else None) or {}
    peak = forecast.get("footprint_bytes") or forecast.get("peak_bytes")
    pid = state.trainer[0] if state.trainer else None
    footprint = sensors.machine_source().process(pid).footprint_bytes if pid else None
    return Training(run, footprint, peak if isinstance(peak, int) else None)
