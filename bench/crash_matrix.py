"""Everything dies, and every run ends as if nothing had happened.

Plays seeded cases: ``kill -9`` of trainer, supervisor and cockpit, alone and together, at random
instants and at an exact fsync, rename, write or event; files truncated, zeroed and bit-flipped;
a full disk; a home that cannot be written. One case after the other trains another way: lora and
dora, adamw and adafactor, with and without a schedule. Each run is resumed as often as it takes
and told of every damaged checkpoint. It passes
if its final weights are the undisturbed run's to the bit, its curve is too, nothing that was
saved was lost, and what was shown was true within two seconds all along.

    python bench/crash_matrix.py                       # 200 cases, about a quarter of an hour
    python bench/crash_matrix.py --cases 20 --seed 7
    python bench/crash_matrix.py --only 17 --keep      # one again, and its folder to look at
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.crash.cases import Case, cases
from tests.crash.records import Outcome
from tests.crash.stage import PLANS, UPDATES, Stage


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the cases to play")
    parser.add_argument("--at-once", type=int, default=1, help="cases played side by side")
    parser.add_argument("--patience", type=float, default=2.0, help="seconds to the truth")
    parser.add_argument("--keep", action="store_true", help="keep the folders of good cases")
    parser.add_argument("--folder", type=Path, help="where to play (default: a temporary one)")
    parser.add_argument("--output", type=Path, default=Path("crash_matrix.json"))
    arguments = parser.parse_args()

    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="crash-matrix-"))
    chosen = list(cases(arguments.cases, arguments.seed, UPDATES))
    if arguments.only:
        chosen = [case for case in chosen if case.number in arguments.only]
    stages = prepare(folder, arguments.patience)
    for name, stage in stages.items():
        print(f"{name}, undisturbed: {stage.reference.seconds:.1f} s", flush=True)
    print(f"playing in {folder}", flush=True)

    def play(case: Case) -> Outcome:
        return stages[plan_of(case)].play(case, keep=arguments.keep)

    outcomes = []
    with ThreadPoolExecutor(arguments.at_once) as pool:
        for outcome in pool.map(play, chosen):
            outcomes.append(outcome)
            tell(outcome)
    arguments.output.write_text(json.dumps(document(stages, outcomes), indent=1))
    return summarise(outcomes)


def prepare(folder: Path, patience: float) -> dict[str, Stage]:
    """A stage for each way of training, all with the same model and data."""
    from tests.trainer.conftest import write_data, write_model

    if not (folder / "model").exists():
        write_model(folder / "model")
        write_data(folder / "data", train=24, valid=4)
    return {
        name: Stage(folder / name, folder / "model", folder / "data", patience=patience, plan=plan)
        for name, plan in PLANS.items()
    }


def plan_of(case: Case) -> str:
    # Kinds of cases come round every ten, damaged files every ten of them: plans every three.
    return list(PLANS)[case.number % len(PLANS)]


def tell(outcome: Outcome) -> None:
    verdict = "ok  " if not outcome.problems else "FAIL"
    resumed = [r.resumed_from for r in outcome.rounds if r.resumed_from is not None]
    ended = " ".join(f"{r.ended or 'no run'}" for r in outcome.rounds)
    print(
        f"{outcome.case.number:>4} {verdict} {outcome.seconds:5.1f} s  "
        f"{plan_of(outcome.case)}: {outcome.case}"
        f"  [{ended}; resumed from {', '.join(map(str, resumed)) or 'nothing'}]",
        flush=True,
    )
    for problem in outcome.problems:
        print(f"          {problem}", flush=True)


def summarise(outcomes: list[Outcome]) -> int:
    failed = [o for o in outcomes if o.problems]
    statuses = Counter(s for o in outcomes for r in o.rounds for s in r.shown)
    print(
        f"\n{len(outcomes)} cases, {sum(o.happened for o in outcomes)} deaths and refusals, "
        f"{sum(len(o.rounds) - 1 for o in outcomes)} resumes or new starts, "
        f"{len(outcomes) - len(failed)} as they must be, {len(failed)} not; slowest truth "
        f"{max((o.slowest_truth_seconds for o in outcomes), default=0.0):.2f} s; "
        f"shown: {dict(statuses)}"
    )
    return 1 if failed else 0


def document(stages: dict[str, Stage], outcomes: list[Outcome]) -> dict[str, object]:
    return {
        "updates": UPDATES,
        "references": {
            name: {
                "weights_sha256": stage.reference.weights_sha256,
                "seconds": stage.reference.seconds,
            }
            for name, stage in stages.items()
        },
        "cases": [
            dataclasses.asdict(outcome) | {"plan": plan_of(outcome.case), "told": str(outcome.case)}
            for outcome in outcomes
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
