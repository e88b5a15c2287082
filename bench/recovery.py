"""Runs that do not fit: how many recover without a human, what it costs, how right forecasts are.

Trains a small model whose attention takes most of the memory under real limits around the trainer
(a memory cgroup, or address space where none may be made), with on_oom = auto. Every plan is
forecast to need more than its limit leaves. Prints one line a case and the figures.

    python bench/recovery.py                # 24 plans that do not fit, 20 that do
    python bench/recovery.py --cases 6 --fitting 0 --json out.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.memory.forecast import Forecaster
from cockpit.system import history, jsonl, recoveries
from cockpit.system.run_dir import RunDir
from tests.oom.conftest import Ground, measured, write_data, write_heads
from tests.oom.limits import AddressSpace, Limit, cgroup

UPDATES = 4
# Of what the plan as asked needs: from just too little to a fraction.
SHARES = (0.9, 0.7, 0.5, 0.35)
PLANS = [
    {"batch_size": batch, "max_seq_length": length, "grad_checkpoint": recompute}
    for batch, length, recompute in itertools.product((2, 4), (257, 385, 513), (False,))
]


@dataclass
class Outcome:
    """One case. ``share`` is the limit's of what MLX needs, or above 1 of the whole process.

    ``seconds`` are from a death to the first new update after it. ``guard_stops`` ended a run
    before anything else did; ``alarms`` are all that the guard raised.
    """

    plan: dict[str, Any]
    share: float
    guard: str
    status: str = ""
    deaths: int = 0
    guard_stops: int = 0
    alarms: int = 0
    rungs: list[str] = field(default_factory=list)
    lost_updates: int = 0
    seconds: list[float] = field(default_factory=list)
    forecast_bytes: int | None = None
    measured_bytes: int | None = None

    @property
    def recovered(self) -> bool:
        return self.status == "completed"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=24, help="plans that do not fit")
    parser.add_argument("--fitting", type=int, default=20, help="plans that do")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every outcome")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Forecaster() as forecaster:
        stage = Stage(Path(folder), forecaster)
        unfit = [stage.play(case) for case in _unfit(arguments.cases)]
        fitting = [stage.play(case) for case in _fitting(arguments.fitting)]
    _report(unfit, fitting)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(o) for o in unfit + fitting], indent=2))
    return 0 if all(outcome.recovered for outcome in unfit + fitting) else 1


def _unfit(count: int) -> Iterator[Outcome]:
    cases = itertools.cycle(itertools.product(SHARES, PLANS))
    for share, plan in itertools.islice(cases, count):
        yield Outcome(plan, share, "stop")


def _fitting(count: int) -> Iterator[Outcome]:
    """At 95 % of the limit, so that the guard has something to be wrong about."""
    for plan in itertools.islice(itertools.cycle(PLANS), count):
        yield Outcome(plan, 1 / 0.95, "stop")


class Stage:
    def __init__(self, folder: Path, forecaster: Forecaster):
        self._folder = folder
        self._forecaster = forecaster
        model, data = write_heads(folder / "models"), write_data(folder / "data")
        base = Ground(model, data, 0, self._price, folder / "home")
        self._model = model
        limit = self._limit()
        self._ground = measured(base, limit)
        limit.close()
        (run,) = (RunDir(path) for path in (folder / "home" / "runs").iterdir())
        loaded = recoveries.loaded(run.attempt(1))
        # Shared pages included, as the guard and everyone else sees the process.
        self._resident = (loaded.high_water_bytes if loaded else None) or self._ground.base_bytes

    def play(self, outcome: Outcome) -> Outcome:
        limit = self._limit()
        try:
            need = self._price(**outcome.plan)
            if outcome.share > 1:
                room = int(outcome.share * (self._resident + need))
            else:
                room = self._ground.base_bytes + int(outcome.share * need)
            plan = {name: value for name, value in outcome.plan.items() if value is not False}
            done = self._ground.train(
                limit,
                room,
                **plan,
                num_layers=4,
                iters=UPDATES,
                on_oom="auto",
                guard=outcome.guard,
                floor_seq_length=33,
                floor_num_layers=1,
                max_recoveries=8,
            )
            _read(outcome, RunDir(done.run), str(done.document["status"]))
        finally:
            limit.close()
        print(_line(outcome), flush=True)
        return outcome

    def _price(self, **fields: Any) -> int:
        plan = {"model": str(self._model), "data": "any", "num_layers": 4} | fields
        return self._forecaster.forecast(RunPlan.model_validate(plan), use_data=False).peak_bytes

    def _limit(self) -> Limit:
        return cgroup() or AddressSpace(self._folder)


def _read(outcome: Outcome, run: RunDir, status: str) -> None:
    outcome.status = status
    supervisor = [ev.parse_event(line) for line in jsonl.Tail(run.supervisor_events).read()]
    ends = {e.attempt: e for e in supervisor if isinstance(e, ev.TrainerExited)}
    outcome.deaths = sum(1 for end in ends.values() if end.diagnosis is not None)
    alarms = {e.attempt for e in supervisor if isinstance(e, ev.Guarded) and e.level == "stop"}
    outcome.alarms = len(alarms)
    outcome.guard_stops = sum(1 for n in alarms if n in ends and ends[n].diagnosis is None)
    for event in supervisor:
        if isinstance(event, ev.Recovered):
            outcome.rungs.append(event.recovery.rung)
            outcome.lost_updates += event.recovery.lost_updates
            outcome.forecast_bytes = event.recovery.forecast_bytes
            first = _first_update(run, event.attempt)
            if first is not None:
                outcome.seconds.append(first - ends[event.recovery.after_attempt].t)
    last = history.last_word(run.attempts()[-1])
    outcome.measured_bytes = last.peak_bytes if last else None


def _first_update(run: RunDir, attempt: int) -> float | None:
    tail = jsonl.Tail(run.attempt(attempt).trainer_events)
    events = map(ev.parse_event, tail.read())
    return next((event.t for event in events if isinstance(event, ev.Updated)), None)


def _line(outcome: Outcome) -> str:
    plan = f"{outcome.plan['batch_size']} x {outcome.plan['max_seq_length']}"
    took = f"{sum(outcome.seconds):.0f} s" if outcome.seconds else "-"
    return (
        f"{time.strftime('%H:%M:%S')}  {plan:<8} at {outcome.share:.0%}: {outcome.status}, "
        f"{outcome.deaths} deaths, {outcome.guard_stops} guard stops, "
        f"{' '.join(outcome.rungs) or 'nothing changed'}, {took}, lost {outcome.lost_updates}, "
        f"forecast {outcome.forecast_bytes} measured {outcome.measured_bytes}"
    )


def _report(unfit: list[Outcome], fitting: list[Outcome]) -> None:
    if unfit:
        recovered = sum(outcome.recovered for outcome in unfit)
        print(f"\nrecovered without a human: {recovered} of {len(unfit)}")
        print(f"updates lost: {sum(outcome.lost_updates for outcome in unfit)}")
        seconds = [second for outcome in unfit for second in outcome.seconds]
        if seconds:
            middle = statistics.median(seconds)
            print(f"death to first new update: median {middle:.1f} s, most {max(seconds):.1f} s")
        ratios = [
            outcome.measured_bytes / outcome.forecast_bytes
            for outcome in unfit
            if outcome.recovered and outcome.measured_bytes and outcome.forecast_bytes
        ]
        if ratios:
            print(
                f"measured / forecast of the rung taken: {min(ratios):.3f} to {max(ratios):.3f}, "
                f"median {statistics.median(ratios):.3f}"
            )
        stops = sum(outcome.guard_stops for outcome in unfit)
        deaths = sum(outcome.deaths for outcome in unfit)
        if stops + deaths:
            print(f"the guard stopped {stops} of {stops + deaths} before they died")
    if fitting:
        alarms = sum(outcome.alarms for outcome in fitting)
        ended = sum(outcome.recovered and not outcome.rungs for outcome in fitting)
        print(f"plans that fit: {ended} of {len(fitting)} untouched, {alarms} false alarms")


if __name__ == "__main__":
    sys.exit(main())
