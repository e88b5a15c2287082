"""Which checkpoint is meant, and what makes one useless."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cockpit.core.checkpoint_state import seal
from cockpit.embedded import nano_path
from cockpit.errors import CockpitError
from cockpit.results.choice import best_of, choose
from cockpit.system.run_dir import RunDir
from tests.results.conftest import Train


def _changed(run: RunDir, update: int, change: Callable[[dict[str, Any]], None]) -> None:
    path = run.checkpoints / f"{update:07d}" / "state.json"
    state = json.loads(path.read_text())
    del state["sha256"]
    change(state)
    path.write_text(json.dumps(seal(state)))


def validated(run: RunDir, losses: Mapping[int, float | None]) -> None:
    """Gives the checkpoints these validation losses."""
    for update, loss in losses.items():
        _changed(run, update, lambda state, loss=loss: state.update(validation_loss=loss))  # type: ignore[misc]


def rewritten(run: RunDir, update: int, **fields: Any) -> None:
    """Changes the plan in a checkpoint, as if it had been trained with that."""
    _changed(run, update, lambda state: state["plan"].update(fields))


def test_the_newest_the_best_or_a_certain_one(own: RunDir) -> None:
    validated(own, {2: 3.0, 4: 1.5, 6: 1.5, 8: 2.0})
    assert choose(own).update == 8
    assert choose(own, "2").update == 2
    best = choose(own, "best")
    assert (best.update, best.is_best, best.best and best.best.loss) == (4, True, 1.5)
    assert not choose(own, "6").is_best


@pytest.mark.parametrize(
    ("asked", "said"),
    [("3", "2, 4, 6, 8"), ("newest", "update or 'best'"), ("-1", "update or"), ("²", "update or")],
)
def test_what_is_not_there_is_refused_with_what_is(own: RunDir, asked: str, said: str) -> None:
    with pytest.raises(CockpitError) as error:
        choose(own, asked)
    assert said in str(error.value) and error.value.exit_code == 2


def test_a_damaged_one_is_named_and_the_newest_whole_one_is_taken(own: RunDir) -> None:
    weights = own.checkpoints / "0000008" / "adapters.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CockpitError) as error:
        choose(own, "8")
    assert "checksum" in error.value.message and "2, 4, 6" in error.value.remedy
    found = choose(own)
    assert found.update == 6
    assert "0000008" in found.warnings[0]


def test_no_checkpoint_and_none_validated(own: RunDir) -> None:
    validated(own, dict.fromkeys((2, 4, 6, 8)))
    assert best_of(own) is None
    with pytest.raises(CockpitError, match="best"):
        choose(own, "best")
    shutil.rmtree(own.checkpoints)
    with pytest.raises(CockpitError, match="no checkpoint yet"):
        choose(own)


def test_a_model_that_is_gone_or_another_one(train: Train, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(nano_path(), model)
    run = train(model=str(model), iters=1, test=False)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"rope_theta": 20000.0}))
    with pytest.raises(CockpitError) as error:
        choose(run)
    assert "not the one" in error.value.title and str(model) in error.value.message
    shutil.rmtree(model)
    with pytest.raises(CockpitError, match="no such model"):
        choose(run)
