"""What a run does, one graph for each thing that may be its peak.

The trainer's own step is traced, so the forecast cannot drift from what it does. mlx-lm's step is
here too, because the benchmark measures both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_map, tree_unflatten
from mlx_lm.tuner.trainer import default_loss, grad_checkpoint

from cockpit.core.plan import RunPlan
from cockpit.core.profiles import Backend
from cockpit.memory import (
    build,
    rewrite_checkpoint,
    rewrite_compiled,
    rewrite_experts,
    rewrite_fast,
)
from cockpit.memory.capture import Leaf, capture_with_state
from cockpit.memory.fuse import fuse
from cockpit.memory.graph import Graph, Op, Role, Value
from cockpit.memory.lengths import BatchShape, MicroBatches
from cockpit.trainer import chunked_loss
from cockpit.trainer.chunked_loss import WHOLE, Loss
from cockpit.trainer.gradient_checkpoint import checkpoint_blocks
from cockpit.trainer.ranks import Ranks
from cockpit.trainer.step import UpdateStep


@dataclass(frozen=True, slots=True)
class Phase:
    """``graph`` ready to be replayed; ``base_bytes`` are live before it starts.

    ``born`` are inputs that it has to make first, and which are not in the base.
    """

    name: str
    graph: Graph
    base_bytes: int
    born: frozenset[Value] = frozenset()

    def as_first(self) -> Phase:
        """The same when the optimizer has no moments yet: they are zeros still to be made."""
        born = frozenset(
            v for v, role in self.graph.roles.items() if role == "optimizer" and v.shape
        )
        size_bytes = sum(value.size_bytes for value in born)
        name = f"first {self.name}"
        return Phase(name, self.graph, self.base_bytes - size_bytes, born)


@dataclass(frozen=True, slots=True)
class Job:
    """A model with what trains it. ``fused`` is whether mx.compile has a compiler to use.

    ``train`` is the largest batch, and all are as large unless ``micro`` tells them apart.
    """

    plan: RunPlan
    model: nn.Module
    optimizer: optim.Optimizer
    train: BatchShape
    valid: BatchShape | None
    backend: Backend = "cpu"
    fused: bool = True
    blocked_attention: bool = True
    micro: MicroBatches | None = None


def cockpit_phases(job: Job) -> Iterator[Phase]:
    """What cockpit.trainer does, in the order in which a run does it."""
    loss = chunked_loss.of(job.model, job.plan.loss_chunks)
    step = UpdateStep(job.model, job.optimizer, Ranks(), loss=loss)
    state = step.state
    micro = job.micro or MicroBatches.alike(job.train, job.plan.grad_accumulation_steps)

    def whole(*arrays: mx.array) -> list[mx.array]:
        return list(step.whole(*arrays))

    with _checkpointing(job, checkpoint_blocks):
        if job.valid is not None:
            yield _validation(job, loss)
        if micro.whole:
            update = _update(job, "update", state, whole, _batch(micro.whole))
            yield from (update, update.as_first())
        if micro.last is None:
            return
        sums = [
            ("loss", mx.array(0.0)),
            ("tokens", mx.array(0)),
            *_like_gradients(job.model),
        ]

        def part(tokens: mx.array, bounds: mx.array, *before: mx.array) -> list[mx.array]:
            return _flat(step.part(tokens, bounds, _sums(before, sums)))

        def last(tokens: mx.array, bounds: mx.array, *before: mx.array) -> list[mx.array]:
            return list(step.last(tokens, bounds, _sums(before, sums)))

        def first(tokens: mx.array, bounds: mx.array) -> list[mx.array]:
            return _flat(step.part(tokens, bounds, None))

        before = [array for _, array in sums]
        if micro.first:
            yield _update(job, "first micro-batch", state, first, _batch(micro.first))
        if micro.part:
            yield _update(job, "micro-batch", state, part, _batch(micro.part), before)
        # The step still holds the sums while the last micro-batch runs.
        batch = _batch(micro.last)
        update = _update(job, "last micro-batch", state, last, batch, before, keeps=True)
        yield from (update, update.as_first())


def mlx_lm_phases(job: Job) -> Iterator[Phase]:
    """What mlx_lm.tuner.trainer.train does, in the order in which it does it."""
    model, optimizer, steps = job.model, job.optimizer, job.plan.grad_accumulation_steps
    state, batch = [model.state, optimizer.state], _batch(job.train)
    loss_and_grad = nn.value_and_grad(model, default_loss)

    def patch(blocks: list[nn.Module]) -> None:
        grad_checkpoint(blocks[0])

    def step(*arrays: mx.array, update: bool) -> list[mx.array]:
        (loss, count), gradient = loss_and_grad(model, *arrays[:2])
        if arrays[2:]:
            previous = iter(arrays[2:])
            gradient = tree_map(lambda g: g + next(previous), gradient)
        if not update:
            return [loss, count, *(g for _, g in tree_flatten(gradient))]
        if steps > 1:
            gradient = tree_map(lambda g: g / steps, gradient)
        optimizer.update(model, gradient)
        return [loss, count]

    gradients = [array for _, array in _like_gradients(model)] if steps > 1 else []
    with _checkpointing(job, patch):
        if job.valid is not None:
            yield _validation(job, WHOLE)
        if steps > 2:
            keep = lambda *arrays: step(*arrays, update=False)  # noqa: E731
            yield _counted(_update(job, "micro-batch", state, keep, batch, gradients))
        update = lambda *arrays: step(*arrays, update=True)  # noqa: E731
        first = _update(job, "first update", state, update, batch, gradients)
        yield _counted(_with_random_key(first))
        optimizer.init(model.trainable_parameters())
        state = [model.state, optimizer.state]
        yield _counted(_update(job, "update", state, update, batch, gradients))


def _counted(phase: Phase) -> Phase:
    """With mlx-lm's running sums of losses and tokens: two small additions, and yet they move
    the order in which everything is evaluated."""
    graph = phase.graph
    zero = Value("zero", (), 4)
    graph.constants[zero] = None
    added = {value: value.like(":sum") for value in graph.outputs[:2]}
    for value, total in added.items():
        Op("Add", [value, zero], [total])
    graph.evaluated = [added.get(value, value) for value in graph.evaluated]
    return phase


def _with_random_key(phase: Phase) -> Phase:
    """With the random key that the adapters' first values left half drawn: mlx-lm's step asks
    for it too, and one more result moves the order in which everything is evaluated."""
    graph = phase.graph
    if any(op.name == "RandomBits" for op in graph.ops):
        return phase  # the step draws from it
    drawn, key = Value("drawn", (2, 2), 4), Value("key", (2,), 4)
    graph.constants[drawn] = None
    Op("Reshape", [drawn], [key])
    graph.evaluated = [*graph.evaluated[:-2], key, *graph.evaluated[-2:]]
    return phase


def _checkpointing(
    job: Job, patch: Callable[[list[nn.Module]], None]
) -> AbstractContextManager[None]:
    if not job.plan.grad_checkpoint:
        return nullcontext()
    return build.checkpointed_blocks(job.model, patch)


def _batch(shape: BatchShape) -> list[mx.array]:
    return [mx.zeros(shape, mx.int32), mx.zeros((shape[0], 2), mx.int32)]


def _like_gradients(model: nn.Module) -> list[tuple[str, mx.array]]:
    flat = tree_flatten(model.trainable_parameters())
    return [(name, mx.zeros(value.shape, value.dtype)) for name, value in flat]


def _sums(before: Sequence[mx.array], named: list[tuple[str, mx.array]]) -> tuple[Any, ...]:
    names = [name for name, _ in named[2:]]
    gradient = tree_unflatten(list(zip(names, before[2:], strict=True)))
    return before[0], before[1], gradient


def _flat(sums: tuple[Any, ...]) -> list[mx.array]:
    return [sums[0], sums[1], *(g for _, g in tree_flatten(sums[2]))]


def _validation(job: Job, loss_of: Loss) -> Phase:
    assert job.valid is not None
    model = job.model

    def evaluate(*batch: mx.array) -> list[mx.array]:
        loss, count = loss_of.measure(model, *batch)
        losses = mx.array(0.0) + mx.where(count > 0, loss * count, 0.0)
        return [losses, mx.array(0) + count]

    model.eval()
    try:
        # The optimizer's state is there, but the loss does not read it.
        state = [model.state, job.optimizer.state]
        with (
            rewrite_checkpoint.marked_checkpoints() as marks,
            rewrite_compiled.marked_compiled_calls() as compiled,
            rewrite_fast.marked_calls(job.backend) as calls,
        ):
            graph, places = capture_with_state(state, evaluate, _batch(job.valid))
    finally:
        model.train()
    rewrite_compiled.rewrite(graph, compiled, job.fused)
    rewrite_fast.rewrite(graph, calls)
    rewrite_checkpoint.rewrite(graph, marks)
    graph.outputs = graph.outputs[:2]
    graph.evaluated = list(graph.outputs)
    graph.held = set(graph.inputs)
    return phase_of("validation", job, graph, places, 2)


def _update(
    job: Job,
    name: str,
    state: Any,
    function: Callable[..., list[mx.array]],
    batch: list[mx.array],
    before: Sequence[mx.array] = (),
    keeps: bool = False,
) -> Phase:
    with (
        rewrite_checkpoint.marked_checkpoints() as marks,
        rewrite_experts.replaced_expert_products() as products,
        rewrite_fast.marked_calls(job.backend, job.blocked_attention) as calls,
    ):
        graph, places = capture_with_state(state, function, [*batch, *before])
    rewrite_fast.rewrite(graph, calls)
    rewrite_experts.rewrite(graph, products)
    rewrite_checkpoint.rewrite(graph, marks)
    inputs = graph.inputs[len(places) :]
    graph.held = set(graph.inputs) & set(graph.outputs)
    graph.held.update(inputs if keeps else inputs[: len(batch)])
    if job.fused:
        fuse(graph)
    return phase_of(name, job, graph, places, len(batch))


def phase_of(name: str, job: Job, graph: Graph, places: list[Leaf], batch: int) -> Phase:
    """``graph`` with what its inputs are: ``places`` of the state, and then ``batch`` arguments."""
    graph.roles = _roles(job, graph, places, batch)
    inputs = sum(value.size_bytes for value in graph.inputs)
    constants = sum(value.size_bytes for value in graph.constants)
    return Phase(name, graph, inputs + constants)


def _roles(job: Job, graph: Graph, places: list[Leaf], batch: int) -> dict[Value, Role]:
    trained = {id(value) for _, value in tree_flatten(job.model.trainable_parameters())}
    moments = {id(value) for _, value in tree_flatten(job.optimizer.state)}
    roles: dict[Value, Role] = {}
    for value, (container, key) in zip(graph.inputs, places, strict=False):
        array = id(container[key])
        if array in moments:
            roles[value] = "optimizer"
        elif array in trained and job.plan.fine_tune_type != "full":
            roles[value] = "adapter"
        else:
            roles[value] = "weight"
    arguments = graph.inputs[len(places) :]
    roles.update(dict.fromkeys(arguments[:batch], "batch"))
    roles.update(dict.fromkeys(arguments[batch:], "gradient"))
    return roles
