"""Twenty cases of ``bench/crash_matrix.py``: whatever dies, the run ends as if nothing had."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.crash.cases import Damage, Fault, Kill, cases
from tests.crash.records import Outcome
from tests.crash.stage import UPDATES, Stage
from tests.trainer.conftest import write_data, write_model

CASES = list(cases(20, seed=4, updates=UPDATES))
# Machines that test may be slow; what is wrong for this long is wrong for good.
PATIENCE_SECONDS = 15.0


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Outcome]]:
    folder = tmp_path_factory.mktemp("crash")
    model = write_model(folder / "model")
    data = write_data(folder / "data", train=24, valid=4)
    stage = Stage(folder / "stage", model, data, patience=PATIENCE_SECONDS)
    # One more than the cores of a small machine: much of a case is waiting.
    with ThreadPoolExecutor(3) as pool:
        yield {outcome.case.number: outcome for outcome in pool.map(stage.play, CASES)}


@pytest.mark.parametrize("number", [case.number for case in CASES])
def test_the_run_ends_with_the_weights_of_an_undisturbed_one(
    outcomes: dict[int, Outcome], number: int
) -> None:
    outcome = outcomes[number]
    assert outcome.problems == [], f"{outcome.case}\n{outcome.rounds}"


def test_most_of_what_was_planned_did_happen(outcomes: dict[int, Outcome]) -> None:
    """A matrix in which nothing dies shows nothing."""
    assert sum(outcome.happened > 0 for outcome in outcomes.values()) >= 14
    assert sum(len(outcome.rounds) > 1 for outcome in outcomes.values()) >= 10


def test_every_kind_of_death_is_among_the_cases() -> None:
    deaths = [death for case in CASES for death in case.deaths]
    victims = {v for death in deaths if isinstance(death, Kill) for v in death.victims}
    assert victims == {"trainer", "supervisor", "cockpit"}
    assert any(len(death.victims) > 1 for death in deaths if isinstance(death, Kill))
    faults = [death for death in deaths if isinstance(death, Fault)]
    assert any(fault.kills for fault in faults) and any(not fault.kills for fault in faults)
    damages = [case.damage for case in CASES if isinstance(case.damage, Damage)]
    assert {damage.manner for damage in damages} == {"truncated", "zeroed", "bit-flipped"}
