"""What the model answers now: greedy, short, and without a trace in training."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.generate import stream_generate

from cockpit.trainer.inference import inference

MAX_TOKENS = 64


def complete(model: nn.Module, tokenizer: Any, prompt: str, max_tokens: int = MAX_TOKENS) -> str:
    """The greedy completion of ``prompt``, through the chat template where there is one."""
    tokens = encode(tokenizer, prompt)
    with inference(model):
        parts = [r.text for r in stream_generate(model, tokenizer, tokens, max_tokens=max_tokens)]
    mx.clear_cache()
    return "".join(parts)


def encode(tokenizer: Any, prompt: str) -> list[int]:
    if tokenizer.has_chat_template:
        tokens = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_dict=False
        )
    else:
        tokens = tokenizer.encode(prompt)
    return list(tokens)
