"""A plan for a GPU, traced where there is none: mx.fast's primitives stay whole."""

from __future__ import annotations

from collections import Counter

import pytest

from cockpit.memory import build
from cockpit.memory.phases import cockpit_phases
from cockpit.memory.trace import Trained, trace
from tests.memory import models

BLOCKS = 3


def primitives(backend: str, **fields: object) -> Counter[str]:
    update = list(cockpit_phases(models.job(models.LLAMA, backend, **fields)))[-1]
    return Counter(op.name for op in update.graph.ops)


def test_on_the_cpu_they_are_taken_apart() -> None:
    found = primitives("cpu")
    assert not {"RMSNorm", "RoPE", "ScaledDotProductAttention"} & set(found)
    assert found["Softmax"] == BLOCKS + 1


def test_on_metal_they_are_whole_forward_and_backward() -> None:
    found = primitives("metal")
    assert found["RMSNorm"] == 2 * BLOCKS + 1
    assert found["RMSNormVJP"] == 2 * BLOCKS  # nothing before the first is trained
    assert found["RoPE"] == 2 * 2 * BLOCKS
    assert found["ScaledDotProductAttention"] == BLOCKS
    assert found["ScaledDotProductAttentionVJP"] == BLOCKS
    assert found["Softmax"] == 1  # the loss's own


def test_checkpointed_blocks_run_them_again() -> None:
    found = primitives("metal", grad_checkpoint=True)
    assert found["ScaledDotProductAttention"] == 2 * BLOCKS
    assert found["ScaledDotProductAttentionVJP"] == BLOCKS


def test_nothing_of_the_marks_is_left() -> None:
    plain, marked = primitives("cpu"), primitives("metal")
    assert marked["Matmul"] < plain["Matmul"]
    assert marked.total() < plain.total()


@pytest.mark.parametrize("backend", ["metal", "cuda"])
def test_a_forecast_for_a_gpu_says_that_it_is_not_validated(backend: str) -> None:
    plan, shape = models.plan(), (2, 65)
    where = Trained(backend)  # type: ignore[arg-type]
    found = trace(build.from_config_alone(models.LLAMA), plan, shape, shape, where).forecast
    assert found.unvalidated
    assert any("never measured" in note for note in found.notes)
    assert found.low_bytes < 0.9 * found.peak_bytes
