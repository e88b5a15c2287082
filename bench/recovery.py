"""Out of memory: how many runs recover without a human, what it costs, what the guard prevents.

Trains a small model whose attention takes most of the memory under real limits around the trainer
(a memory cgroup, or address space where none may be made), with on_oom = auto: plans that need
more than their limit leaves, plans that outgrow it while they train, and plans that fit. One that
grows is run without the guard first, since only a death that comes can be prevented. Prints a line
a case, and the figures.

    python bench/recovery.py --out results.json     # all; goes on where an earlier call ended
    python bench/recovery.py --only "grows" --cases 4
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from cockpit.system.run_dir import RunDir
from tests.oom import cases, growing
from tests.oom.cases import Case
from tests.oom.conftest import Ground, write_data, write_heads
from tests.oom.limits import AddressSpace, Limit, cgroup
from tests.oom.records import Outcome, died_after

UNATTENDED = {"on_oom": "auto", "guard": "stop", "max_recoveries": 8}
UNATTENDED |= {"floor_seq_length": 33, "floor_num_layers": 1}


def main() -> int:
    arguments = _arguments()
    everything = [*cases.unfit(), *cases.growing(), *cases.fitting()]
    chosen = [case for case in everything if arguments.only in case.name][: arguments.cases]
    if arguments.list:
        print("\n".join(case.name for case in chosen))
        return 0
    known = _load(arguments.out)
    missing = [case for case in chosen if case.name not in known]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder)) if missing else None
        for number, case in enumerate(missing, 1):
            assert stage is not None
            known[case.name] = stage.play(case)
            minutes = (time.monotonic() - start) / 60
            print(f"{number}/{len(missing)} {minutes:4.1f} min  {_line(known[case.name])}")
            sys.stdout.flush()
            _save(arguments.out, known)
    outcomes = [known[case.name] for case in chosen]
    _report(outcomes)
    alarmed = any(outcome.alarms for outcome in outcomes if outcome.group == "fits")
    return 0 if all(outcome.recovered for outcome in outcomes) and not alarmed else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, metavar="N", help="the first N alone")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their name")
    parser.add_argument("--list", action="store_true", help="names the cases, and that is all")
    parser.add_argument("--out", type=Path, metavar="FILE", help="outcomes as JSON, case by case")
    return parser.parse_args()


class Stage:
    """The model, its data, and what plans take where nothing limits them."""

    def __init__(self, folder: Path):
        self._folder = folder
        model, data = write_heads(folder / "models"), write_data(folder / "data")
        self._data: dict[tuple[int, ...], Path] = {(): data}
        self._ground = Ground(model, data, 0, lambda **_: 0, folder / "home")
        self._needs: dict[tuple[object, ...], tuple[int, int]] = {}

    def play(self, case: Case) -> Outcome:
        data = self._data_of(case)
        base, mlx = self._needed(case, data)
        room = case.room_bytes(base, mlx)
        outcome = Outcome(case.name, case.group, room, base)
        if case.growth:
            alone = self._train(case, data, room, guard="off", on_oom="ask")
            outcome.died_after = died_after(alone)
        run = self._train(case, data, room, **UNATTENDED)
        outcome.read(run)
        outcome.status = outcome.attempts[-1].ended
        return outcome

    def _needed(self, case: Case, data: Path) -> tuple[int, int]:
        """What it takes beside MLX's peak by the limit's own count, and that peak; measured."""
        known = (case.lengths, *case.unlimited.items())
        if known not in self._needs:
            limit = self._limit()
            ground = replace(self._ground, data=data)
            done = ground.train(limit, None, **case.unlimited, guard="off")
            mlx = int(done.document["measured_peak_bytes"])
            self._needs[known] = limit.peak_bytes() - mlx, mlx
            limit.close()
        return self._needs[known]

    def _train(self, case: Case, data: Path, room: int, **more: Any) -> RunDir:
        limit = self._limit()
        try:
            if case.group != "unfit":
                how = [case.growth or "data", f"{case.mib(room):.3f}"]
                limit.trainer = [sys.executable, growing.__file__, *how]
            ground = replace(self._ground, data=data)
            return RunDir(ground.train(limit, room, **case.plan, **more).run)
        finally:
            limit.close()

    def _data_of(self, case: Case) -> Path:
        if case.lengths not in self._data:
            folder = self._folder / f"data-{len(self._data)}"
            self._data[case.lengths] = cases.write_lengths(folder, case.lengths)
        return self._data[case.lengths]

    def _limit(self) -> Limit:
        return cgroup() or AddressSpace(self._folder)


def _load(path: Path | None) -> dict[str, Outcome]:
    if path is None or not path.exists():
        return {}
    return {name: Outcome.load(found) for name, found in json.loads(path.read_text()).items()}


def _save(path: Path | None, outcomes: dict[str, Outcome]) -> None:
    if path is not None:
        document = {name: asdict(outcome) for name, outcome in outcomes.items()}
        path.write_text(json.dumps(document, indent=1))


def _line(outcome: Outcome) -> str:
    told = [f"{attempt.ended} after {attempt.updates}" for attempt in outcome.attempts]
    if outcome.group == "grows":
        alone = outcome.died_after
        told.insert(0, "alone: no death" if alone is None else f"alone: death after {alone}")
    if outcome.rungs:
        told.append(f"{' '.join(outcome.rungs)} in {sum(outcome.seconds):.0f} s")
        told.append(f"lost {sum(outcome.lost_updates)}")
    return f"{outcome.name}: {'; '.join(told)}"


def _report(outcomes: list[Outcome]) -> None:
    troubled = [outcome for outcome in outcomes if outcome.group != "fits"]
    fitting = [outcome for outcome in outcomes if outcome.group == "fits"]
    for name, group in (("do not fit", "unfit"), ("outgrow their limit", "grows")):
        of = [outcome for outcome in troubled if outcome.group == group]
        recovered = sum(outcome.recovered for outcome in of)
        if not of:
            continue
        print(f"plans that {name}: {recovered} of {len(of)} recovered without a human")
    if troubled:
        _report_recoveries(troubled)
        _report_guard(troubled)
    if fitting:
        alarms = sum(outcome.alarms for outcome in fitting)
        ended = sum(outcome.recovered and not outcome.rungs for outcome in fitting)
        print(f"plans that fit: {ended} of {len(fitting)} untouched, {alarms} false alarms")


def _report_recoveries(outcomes: list[Outcome]) -> None:
    seconds = [second for outcome in outcomes for second in outcome.seconds]
    if seconds:
        middle = statistics.median(seconds)
        print(
            f"from an end to the first new update: median {middle:.1f} s, most {max(seconds):.1f} s"
        )
    ratios = [
        outcome.measured_bytes / outcome.forecast_bytes
        for outcome in outcomes
        if outcome.rungs and outcome.measured_bytes and outcome.forecast_bytes
    ]
    if ratios:
        print(
            f"measured / forecast of the rung taken: {min(ratios):.3f} to {max(ratios):.3f}, "
            f"median {statistics.median(ratios):.3f}"
        )
    lost = {"guard": 0, "death": 0}
    for outcome in outcomes:
        for attempt, count in zip(outcome.attempts, outcome.lost_updates, strict=False):
            lost[attempt.ended] += count
    print(f"updates made again: {lost['guard']} after the guard, {lost['death']} after a death")


def _report_guard(outcomes: list[Outcome]) -> None:
    first = [(o, attempt) for o in outcomes for attempt in o.in_the_first_update]
    foreseen = sum(outcome.was_foreseen(attempt) for outcome, attempt in first)
    print(
        f"deaths in an attempt's first update: {len(first)}, {foreseen} of them with a forecast "
        "above what the limit left"
    )
    prevented = sum(outcome.prevented for outcome in outcomes)
    missed = sum(outcome.missed for outcome in outcomes)
    if prevented + missed:
        print(
            f"deaths after it: the guard prevented {prevented} of {prevented + missed} "
            f"({prevented / (prevented + missed):.0%}), nothing lost"
        )
    for outcome in outcomes:
        if outcome.missed:
            print(f"  missed: {outcome.name}")


if __name__ == "__main__":
    sys.exit(main())
