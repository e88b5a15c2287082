"""The graph that is replayed is the graph that MLX builds, operation for operation."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten

from cockpit.memory.build import checkpointed_blocks
from cockpit.memory.graph import Op
from cockpit.memory.phases import Job, Phase, cockpit_phases
from cockpit.trainer.gradient_checkpoint import checkpoint_blocks
from cockpit.trainer.ranks import Ranks
from cockpit.trainer.step import UpdateStep
from tests.memory import models

# export names a primitive by its class, export_to_dot by what it computes.
_SAME = {"Sum": "Reduce", "Max": "Reduce", "CumSum": "Scan", "Scatter Sum": "Scatter"} | {
    "ScatterAxis Sum": "ScatterAxis",
    "Rsqrt": "Sqrt",
}
# The loss's constants are filled in on the way in one graph and before it in the other.
_FILLING = ("Full", "Broadcast", "Flatten")

PLANS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("plain", models.LLAMA, {}),
    ("checkpointed", models.LLAMA, {"grad_checkpoint": True}),
    ("dora", models.LLAMA, {"fine_tune_type": "dora"}),
    ("full", models.LLAMA, {"fine_tune_type": "full", "num_layers": 2}),
    ("dropout", models.LLAMA, {"lora_parameters": {"dropout": 0.1}}),
    (
        "dropout checkpointed",
        models.LLAMA,
        {"lora_parameters": {"dropout": 0.1}, "grad_checkpoint": True},
    ),
    ("experts", models.EXPERTS, {}),
    ("experts checkpointed", models.EXPERTS, {"grad_checkpoint": True}),
    ("muon", models.LLAMA, {"optimizer": "muon"}),
    ("adafactor", models.LLAMA, {"optimizer": "adafactor"}),
]


@pytest.mark.parametrize(("config", "fields"), [p[1:] for p in PLANS], ids=[p[0] for p in PLANS])
def test_the_update_has_the_operations_that_mlx_builds(
    config: dict[str, Any], fields: dict[str, Any]
) -> None:
    traced = _update(models.job(config, **fields))
    assert _traced(traced.graph.ops) == _built(models.job(config, **fields))


def test_blocks_that_hand_arguments_on_can_be_checkpointed() -> None:
    job = models.job(models.SHARED_KEYS, grad_checkpoint=True)
    update = _update(job)
    softmaxes = [op for op in update.graph.ops if op.name == "Softmax"]
    # Six blocks, each run twice, and the one in the loss.
    assert len(softmaxes) == 2 * 6 + 1


def test_tracing_evaluates_nothing_and_leaves_the_model_as_it_was() -> None:
    mx.eval(mx.zeros(1))
    before = mx.get_active_memory()
    job = models.job(models.LLAMA, grad_checkpoint=True)
    calls = {kind: kind.__call__ for kind in {type(block) for block in job.model.layers}}
    names = [name for name, _ in tree_flatten(job.model.parameters())]
    for phase in cockpit_phases(job):
        assert phase.graph.ops
    assert mx.get_active_memory() - before < 10_000
    assert all(kind.__call__ is call for kind, call in calls.items())
    assert [name for name, _ in tree_flatten(job.model.parameters())] == names


def _update(job: Job) -> Phase:
    return next(phase for phase in cockpit_phases(job) if phase.name == "update")


def _traced(ops: list[Op]) -> Counter[str]:
    names = (op.name + "".join(op.fused) for op in ops)
    return _comparable(names)


def _built(job: Job) -> Counter[str]:
    """What mx.compile made of the trainer's own step."""
    dot = io.StringIO()
    with checkpointed_blocks(
        job.model, checkpoint_blocks if job.plan.grad_checkpoint else lambda blocks: None
    ):
        step = UpdateStep(job.model, job.optimizer, Ranks())
        mx.eval(step.state)
        batch = [mx.zeros(job.train, mx.int32), mx.zeros((job.train[0], 2), mx.int32)]
        outputs = step.whole(*batch)
    state = [value for _, value in tree_flatten([job.model.state, job.optimizer.state])]
    mx.export_to_dot(dot, *outputs, *(value for value in state if isinstance(value, mx.array)))
    lines = (line for line in dot.getvalue().splitlines() if "shape=rectangle" in line)
    return _comparable(line.split('label ="')[1].split('"')[0] for line in lines)


def _comparable(names: Any) -> Counter[str]:
    counted: Counter[str] = Counter()
    for name in names:
        name = _SAME.get(name, name)
        if name.startswith("Compiled"):
            name = name.replace("Rsqrt", "Sqrt")
            if "Select" in name and "Greater" in name:  # the causal mask, built of constants
                name = "CompiledBroadcastBroadcastSelect"
        if name not in _FILLING:
            counted[name] += 1
    return counted
