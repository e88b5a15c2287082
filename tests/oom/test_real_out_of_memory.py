"""Trainers that really run out of memory, and how each goes on: by hand, and by itself."""

from __future__ import annotations

import json

from tests.oom.conftest import Ground
from tests.oom.limits import AddressSpace, Limit

LONG = 385
LONGER = 1025
# The cockpit takes all that is not MLX's for larger than it is on a small run.
CAUTION_BYTES = 60_000_000


def test_smaller_batches_first_by_hand(ground: Ground, limit: Limit) -> None:
    """Recovered with one command, before any checkpoint, and complete."""
    asked = {"batch_size": 4, "max_seq_length": LONG, "num_layers": 4}
    half = ground.forecast(**asked | {"batch_size": 2, "grad_accumulation_steps": 2})
    room = ground.base_bytes + half + CAUTION_BYTES
    died = ground.train(limit, room, **asked)
    assert died.document["status"] == "failed"
    assert died.document["diagnosis"]["kind"] in limit.kinds
    done = ground.cockpit(limit, room, "recover", str(died.run), "--rung", "batch_size", "--yes")
    assert done.code == 0, done.said
    assert done.document["status"] == "completed"
    assert "starts from scratch" in done.said and "in use when it died" in done.said
    assert done.rungs == ["batch_size"]
    assert done.document["measured_peak_bytes"] <= room - ground.base_bytes


def test_shorter_sequences_next_unattended(ground: Ground, limit: Limit) -> None:
    """Nobody is there; what is lossless is not enough."""
    asked = {"batch_size": 2, "max_seq_length": LONG, "num_layers": 4}
    lossless = ground.forecast(
        batch_size=1, max_seq_length=LONG, num_layers=4, grad_checkpoint=True, loss_chunks=32
    )
    room = ground.base_bytes + int(0.9 * lossless)
    done = ground.train(limit, room, **asked, on_oom="auto", floor_seq_length=33, iters=1)
    assert done.code == 0, done.said
    assert done.document["status"] == "completed"
    assert done.rungs[-1] == "max_seq_length"
    events = [json.loads(line) for line in (done.run / "supervisor.jsonl").open()]
    recovered = [event for event in events if event["type"] == "recovered"]
    assert [event["recovery"]["automatic"] for event in recovered] == [True] * len(done.rungs)
    assert len({event["pid"] for event in events if event["type"] == "supervisor"}) == 1


def test_fewer_layers_last_unattended(ground: Ground, limit: Limit) -> None:
    """Where the plan does not let sequences be cut without asking."""
    asked = {"batch_size": 1, "max_seq_length": LONGER, "num_layers": 4}
    saving = {"max_seq_length": LONGER, "grad_checkpoint": True, "loss_chunks": 32, "batch_size": 1}
    lossless = ground.forecast(**saving, num_layers=4)
    room = ground.base_bytes + int(0.99 * lossless)
    floors = {"floor_seq_length": LONGER, "floor_num_layers": 1}
    done = ground.train(limit, room, **asked, **floors, on_oom="auto", iters=1)
    assert done.code == 0, done.said
    assert done.document["status"] == "completed"
    assert done.rungs[-1] == "num_layers"


def test_an_allocator_that_gets_no_more(
    ground_of_addresses: Ground, address_space: AddressSpace
) -> None:
    """Under ulimit -v MLX on a CPU crashes without a word."""
    ground = ground_of_addresses
    asked = {"batch_size": 8, "max_seq_length": LONG, "num_layers": 4}
    # Far below what it needs: a thread's arena alone reserves 64 MiB of addresses.
    room = ground.base_bytes + ground.forecast(**asked) // 2
    done = ground.train(address_space, room, **asked, on_oom="auto", iters=1)
    assert done.code == 0, done.said
    assert done.document["status"] == "completed"
    assert done.rungs
