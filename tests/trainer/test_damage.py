"""state.json is believed only as it was written: no damage to it makes a run resume wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.core.checkpoint_state import seal
from cockpit.system import checkpoints
from cockpit.trainer import checkpoint
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]


@pytest.fixture
def trained(prepare: Prepare) -> Training:
    """Two updates, each with a checkpoint."""
    training = prepare(iters=2, save_every=1, steps_per_eval=1)
    assert training.here() == 0
    return training


def state_of(training: Training, update: int) -> Path:
    return training.run.checkpoints / checkpoints.name_of(update) / "state.json"


def damaged(content: bytes) -> Iterator[bytes]:
    """``content`` with one bit flipped in every byte, cut short everywhere, and zeroed."""
    for offset in range(len(content)):
        flipped = bytearray(content)
        flipped[offset] ^= 1 << offset * 3 % 8
        yield bytes(flipped)
    for size in range(0, len(content) - 1, 50):
        yield content[:size]
        yield content[:size] + bytes(len(content) - size)


def test_no_damage_to_it_is_taken_for_another_state(trained: Training) -> None:
    path = state_of(trained, 2)
    whole = checkpoints.read(path.parent)
    content = path.read_bytes()
    refused = 0
    for case in damaged(content):
        path.write_bytes(case)
        try:
            assert checkpoints.read_state(path.parent) == whole
        except checkpoints.DamagedError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > len(content)


@pytest.mark.parametrize("name", ["random_state", "epoch", "validation_loss", "sha256", "version"])
def test_one_that_says_something_else_is_skipped_for_the_one_before(
    trained: Training, name: str
) -> None:
    path = state_of(trained, 2)
    document = json.loads(path.read_bytes())
    del document[name]
    path.write_text(json.dumps(document))
    folder, state, passed_over = checkpoints.newest_whole(trained.run)
    assert (folder.name, state.update) == ("0000001", 1)
    assert passed_over == [f"{path}: its checksum is wrong"]
    rest = trained.again("0000002", iters=4)
    assert rest.here() == 2
    assert str(path) in rest.one(ev.Ended).message


def test_a_damaged_loss_does_not_make_it_the_best(trained: Training) -> None:
    wanted = trained.run.best.resolve()
    worse = next(u for u in (1, 2) if state_of(trained, u).parent != wanted)
    path = state_of(trained, worse)
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(document | {"validation_loss": 0.001}))
    checkpoint.point_best(trained.run)
    assert trained.run.best.resolve() == wanted


def test_one_from_before_there_was_a_checksum_goes_on_with_a_warning(trained: Training) -> None:
    path = state_of(trained, 2)
    document = json.loads(path.read_bytes()) | {"version": 1}
    del document["sha256"]
    path.write_text(json.dumps(document))
    rest = trained.again("0000002", iters=4)
    assert rest.here() == 0
    assert [e.update for e in rest.events(ev.Updated)] == [3, 4]
    warnings = [n.message for n in rest.events(ev.Note) if "checksum" in n.message]
    assert len(warnings) == 1 and "state.json" in warnings[0]


def test_what_is_sealed_again_is_believed(trained: Training) -> None:
    path = state_of(trained, 2)
    document = json.loads(path.read_bytes()) | {"trained_tokens": 5}
    path.write_text(json.dumps(seal(document)))
    assert checkpoints.read(path.parent).trained_tokens == 5
