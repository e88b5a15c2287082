"""The job ``answer``: the same prompts to the base and the tuned model, as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.generate import stream_generate
from mlx_lm.sample_utils import make_sampler

from cockpit.errors import CockpitError
from cockpit.results import adapted, prompts
from cockpit.results.adapted import Adapted, Say
from cockpit.results.messages import Asked, Piece, Progress, Side
from cockpit.results.prompts import Prompt
from cockpit.trainer import sampling
from cockpit.trainer.failures import brief
from cockpit.trainer.inference import inference

SIDES: tuple[Side, ...] = ("base", "tuned")


@dataclass(frozen=True, slots=True)
class Drawing:
    """How tokens are chosen: the settings of a request, and the seed of the random numbers."""

    max_tokens: int
    temperature: float
    seed: int

    @classmethod
    def of(cls, request: dict[str, Any], seed: int) -> Drawing:
        return cls(request["max_tokens"], request["temperature"], seed)


def run(request: dict[str, Any], say: Say) -> dict[str, Any]:
    """``request``: run, checkpoint, prompts, max_tokens, temperature.

    Returns the document that ``cockpit try --json`` prints.
    """
    model = adapted.load(request, say)
    choice = model.choice
    for warning in choice.warnings:
        say(Progress(warning, warning=True))
    asked = prompts.of(choice.plan, request["prompts"])
    if not asked:
        raise CockpitError(
            "There is nothing to ask",
            f"{choice.run.name} has no sample_prompts, and its data has no prompt to take",
            f'Give one: cockpit try {choice.run.name} "Who are you?"',
        )
    tokens = [encode(model, prompt) for prompt in asked]
    drawing = Drawing.of(request, seed=choice.plan.seed)
    answers = [
        {"prompt": prompt.text} | both(model, number, prompt, encoded, drawing, say)
        for number, (prompt, encoded) in enumerate(zip(asked, tokens, strict=True))
    ]
    return {
        "run": choice.run.name,
        "model": choice.plan.model,
        "checkpoint": choice.update,
        "dtype": model.loaded.dtype,
        "max_tokens": request["max_tokens"],
        "temperature": request["temperature"],
        "answers": answers,
        "notes": list(choice.warnings),
    }


def both(
    model: Adapted,
    number: int,
    prompt: Prompt,
    tokens: list[int],
    drawing: Drawing,
    say: Say,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """The two answers with their counts, told as they come, as far as ``stopped`` lets them."""
    found: dict[str, Any] = {}
    for side in SIDES:
        say(Asked(number, prompt.text, side))
        start = time.perf_counter()
        text, count = "", 0
        for piece, count in _generate(model, side, tokens, drawing, stopped):  # noqa: B007
            if piece:
                say(Piece(piece))
                text += piece
        seconds = time.perf_counter() - start
        found[side] = {"text": text, "tokens": count, "seconds": round(seconds, 3)}
    return found


def _generate(
    model: Adapted,
    side: Side,
    tokens: list[int],
    drawing: Drawing,
    stopped: Callable[[], bool],
) -> Iterator[tuple[str, int]]:
    """Pieces of text and how many tokens there are so far.

    Both sides draw the same random numbers, so that what differs is the model.
    """
    if stopped():
        return
    net = model.use(side)
    with inference(net):
        mx.random.seed(drawing.seed)
        for response in stream_generate(
            net,
            model.tokenizer,
            tokens,
            max_tokens=drawing.max_tokens,
            sampler=make_sampler(temp=drawing.temperature),
        ):
            yield response.text, response.generation_tokens
            if stopped():
                break
    mx.clear_cache()


def encode(model: Adapted, prompt: Prompt) -> list[int]:
    """As training's own samples are, with the conversation before it where the data has one."""
    tokenizer = model.tokenizer
    try:
        if prompt.messages and tokenizer.has_chat_template:
            found = tokenizer.apply_chat_template(
                list(prompt.messages), add_generation_prompt=True, return_dict=False
            )
        elif prompt.raw:
            found = tokenizer.encode(prompt.text)
        else:
            found = sampling.encode(tokenizer, prompt.text)
    except Exception as error:
        # Templates are code of the model's: they raise what they like.
        raise CockpitError(
            "A prompt cannot be put to this model",
            f"{prompt.text[:60]!r}: {brief(error)}",
            "Ask something else, or check the chat template.",
        ) from error
    if not len(found):
        raise CockpitError("A prompt is empty", repr(prompt.text), "Give some text to answer.")
    return list(found)
