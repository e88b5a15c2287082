"""Two processes that train together, as ``mlx.launch`` starts them, make the same updates."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.core import events as ev
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_ranks_make_the_updates_of_one(
    prepare: Prepare, tmp_path: Path, accumulation: int
) -> None:
    fields = {"iters": 4 * accumulation, "batch_size": 4, "grad_accumulation_steps": accumulation}
    alone = prepare(**fields)
    assert alone.here() == 0

    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in free_ports(2)]))
    together = prepare(**fields)
    together.send("set_learning_rate", value=1e-3)
    ranks = [Training(together.run) for _ in range(2)]
    try:
        for rank, training in enumerate(ranks):
            training.start(env=os.environ | {"MLX_HOSTFILE": str(hosts), "MLX_RANK": str(rank)})
        assert [training.wait() for training in ranks] == [0, 0]
    finally:
        for training in ranks:
            if training.process is not None:
                training.process.kill()
    assert together.losses == pytest.approx(alone.losses, abs=1e-4)
    assert [e.tokens for e in together.events(ev.Updated)] == [
        e.tokens for e in alone.events(ev.Updated)
    ]
    validation = [e.loss for e in alone.events(ev.Validated)]
    assert [e.loss for e in together.events(ev.Validated)] == pytest.approx(validation, abs=1e-4)
    assert together.one(ev.Acknowledged).accepted
    assert len(together.events(ev.Ended)) == 1
