"""The answers to a plan's sample prompts: the prompt at once, then a token at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models.cache import KVCache, make_prompt_cache

from cockpit.memory import rewrite_fast
from cockpit.memory.capture import capture_with_state
from cockpit.memory.phases import Job, Phase, phase_of
from cockpit.trainer.sampling import MAX_TOKENS


def sampling_phases(job: Job, prompt_tokens: int) -> Iterator[Phase]:
    """For a prompt of so many tokens. mlx-lm splits one of more than 2,048; here it goes whole."""
    model = job.model
    model.eval()
    try:
        before = max(1, prompt_tokens - 1)
        yield _prompt(job, before)
        yield _token(job, before)
    finally:
        model.train()


def _prompt(job: Job, tokens: int) -> Phase:
    cache = make_prompt_cache(job.model)

    def read(prompt: mx.array) -> list[mx.array]:
        job.model(prompt, cache=cache)
        return _arrays(cache)

    return _captured(job, "reading of a prompt", read, [mx.zeros((1, tokens), mx.int32)])


def _token(job: Job, before: int) -> Phase:
    """The step in which caches grow, if one does; else the last."""
    cache = make_prompt_cache(job.model)
    job.model(mx.zeros((1, before), mx.int32), cache=cache)
    for part in cache:
        if type(part) is KVCache:
            room = part.keys.shape[2]
            part.offset = min(room, before + MAX_TOKENS - 1)
    offsets = [getattr(part, "offset", None) for part in cache]
    held = [mx.zeros(array.shape, array.dtype) for array in _arrays(cache)]

    def step(token: mx.array, *arrays: mx.array) -> list[mx.array]:
        for part, offset in zip(cache, offsets, strict=True):
            if type(part) is KVCache:
                part.offset = offset
        _put(cache, arrays)
        logits = job.model(token, cache=cache)[:, -1, :]
        scores = logits - mx.logsumexp(logits, keepdims=True)
        return [mx.argmax(scores, axis=-1), scores.squeeze(0), *_arrays(cache)]

    return _captured(job, "answer to a prompt", step, [mx.zeros((1, 1), mx.int32), *held])


def _captured(job: Job, name: str, function: Any, arguments: list[mx.array]) -> Phase:
    # The optimizer's state is there, but nothing reads it.
    state = [job.model.state, job.optimizer.state]
    with rewrite_fast.marked_calls(job.backend) as calls:
        graph, places = capture_with_state(state, function, arguments)
    rewrite_fast.rewrite(graph, calls)
    asked = len(graph.outputs) - len(places)
    graph.outputs = graph.outputs[:asked]
    graph.evaluated = list(graph.outputs)
    graph.held = set(graph.inputs[: len(places) + 1])
    return phase_of(name, job, graph, places, len(arguments))


def _arrays(cache: list[Any]) -> list[mx.array]:
    """The arrays of all layers' caches, in order."""
    found = (value for part in cache for _, value in tree_flatten(list(part.state)))
    return [value for value in found if isinstance(value, mx.array)]


def _put(cache: list[Any], arrays: tuple[mx.array, ...]) -> None:
    """Puts ``arrays`` where ``_arrays`` found them."""
    left = iter(arrays)

    def replaced(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(replaced(each) for each in value)
        return next(left) if isinstance(value, mx.array) else value

    for part in cache:
        part.state = replaced(part.state)
