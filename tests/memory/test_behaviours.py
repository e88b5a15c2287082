"""Primitives whose memory is read from MLX's source, beside what MLX takes."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest

from cockpit.memory.capture import capture
from cockpit.memory.phases import cockpit_phases
from cockpit.memory.replay import Evaluation
from tests.memory import models

CHANNELS = 128
LENGTH = 512


def convolved(groups: int) -> tuple[int, int]:
    """Peaks of one convolution: forecast, and measured."""
    x = mx.zeros((2, LENGTH, CHANNELS))
    weights = mx.zeros((CHANNELS, 4, CHANNELS // groups))
    mx.eval(x, weights)
    graph = capture(lambda a, b: [mx.conv1d(a, b, groups=groups)], [x, weights])
    graph.held = set(graph.inputs)
    base_bytes = mx.get_active_memory()
    mx.clear_cache()
    mx.reset_peak_memory()
    mx.eval(mx.conv1d(x, weights, groups=groups))
    return Evaluation(graph, base_bytes).floor()[0], mx.get_peak_memory()


@pytest.mark.parametrize("groups", [1, CHANNELS])
def test_a_convolution_on_the_cpu_writes_its_windows_out(groups: int) -> None:
    forecast, measured = convolved(groups)
    assert forecast == pytest.approx(measured, rel=0.001)
    out_bytes = 2 * LENGTH * CHANNELS * 4
    assert measured > 5 * out_bytes


def validation(**fields: Any) -> list[str]:
    first = next(cockpit_phases(models.job(models.LLAMA, **fields)))
    assert first.name == "validation"
    return [op.name for op in first.graph.ops]


def test_validation_runs_small_compiled_functions_as_one_kernel() -> None:
    # swiglu, once a block
    assert validation().count("Compiled") == models.LLAMA["num_hidden_layers"]


def test_validation_passes_through_checkpointed_blocks() -> None:
    blocks = models.LLAMA["num_hidden_layers"]
    assert validation(grad_checkpoint=True).count("CustomTransforms") == blocks
    assert validation().count("CustomTransforms") == 0


def test_compiled_functions_are_as_they_were_afterwards() -> None:
    before = nn.layers.activations.silu
    validation()
    assert nn.layers.activations.silu is before
