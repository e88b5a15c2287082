"""Train nano, the embedded model, from nothing: corpus, tokenizer, weights, all from one seed.

``python -m scripts.nano.train`` rewrites ``cockpit/embedded/nano`` in a few minutes with a
fast BLAS. The same seed on the same machine writes the same bytes.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

# mlx's Linux wheel brings the reference BLAS, some 25 times slower than this one.
with suppress(OSError):
    ctypes.CDLL("libopenblas.so.0", mode=ctypes.RTLD_GLOBAL)

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models import llama
from tokenizers import Tokenizer

from cockpit.embedded import nano_path
from scripts.nano import corpus, tokenizer

ROW_TOKENS = 64
# Questions teach the model how people ask; the answers are what it is for.
QUESTION_WEIGHT = 0.2

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "intermediate_size": 352,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": tokenizer.MAX_POSITIONS,
    "vocab_size": tokenizer.VOCABULARY,
    "tie_word_embeddings": True,
    "attention_bias": False,
    "mlp_bias": False,
    "pad_token_id": 0,
    "eos_token_id": 1,
    # Half precision would halve the file, and make it slow wherever the CPU trains.
    "torch_dtype": "float32",
}


def rows(words: Tokenizer, seed: int, count: int) -> Iterator[tuple[list[int], list[float]]]:
    """Conversations of ``ROW_TOKENS`` + 1 tokens, with the loss weight of each token."""
    tokens: list[int] = []
    weights: list[float] = []
    for one in corpus.exchanges(seed, count):
        question = words.encode(f"<|user|>{one.question}<|end|><|assistant|>").ids
        answer = words.encode(f"{one.answer}<|end|>").ids
        tokens += question + answer
        weights += [QUESTION_WEIGHT] * len(question) + [1.0] * len(answer)
        if len(tokens) > ROW_TOKENS:
            yield tokens[: ROW_TOKENS + 1], weights[: ROW_TOKENS + 1]
            tokens, weights = [], []


def loss_of(model: llama.Model, tokens: mx.array, weights: mx.array) -> mx.array:
    losses = nn.losses.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:])
    return (losses * weights[:, 1:]).sum() / weights[:, 1:].sum()


def pretrain(
    model: llama.Model, batches: list[tuple[mx.array, mx.array]], peak_rate: float
) -> float:
    """One pass over ``batches``; returns the mean loss of the last hundred updates."""
    warmup = max(1, min(100, len(batches) // 10))
    schedule = optim.join_schedules(
        [
            optim.linear_schedule(0.0, peak_rate, warmup),
            optim.cosine_decay(peak_rate, max(1, len(batches) - warmup), peak_rate / 100),
        ],
        [warmup],
    )
    optimizer = optim.AdamW(schedule, betas=[0.9, 0.98], weight_decay=0.01)
    state = [model.state, optimizer.state]
    loss_and_grad = nn.value_and_grad(model, loss_of)

    @partial(mx.compile, inputs=state, outputs=state)
    def update(tokens: mx.array, weights: mx.array) -> mx.array:
        loss, gradients = loss_and_grad(model, tokens, weights)
        gradients, _ = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        return loss

    started, losses = time.perf_counter(), []
    for step, batch in enumerate(batches, 1):
        loss = update(*batch)
        mx.eval(loss, state)
        losses.append(loss.item())
        if step % 50 == 0 or step == len(batches):
            seconds = time.perf_counter() - started
            mean = float(np.mean(losses[-50:]))
            print(f"update {step}/{len(batches)}  loss {mean:.4f}  {seconds:.0f} s", flush=True)
    return float(np.mean(losses[-100:]))


def learn_words(seed: int, count: int) -> Tokenizer:
    """The tokenizer of this corpus; its first exchanges hold every word often enough."""
    sample = corpus.exchanges(seed, min(count, 40_000))
    return tokenizer.train(f"{one.question}\n{one.answer}" for one in sample)


def save(model: llama.Model, words: Tokenizer, record: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(words, folder)
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    for name, document in (("config.json", CONFIG), ("training.json", record)):
        (folder / name).write_text(json.dumps(document, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Train nano, the embedded model, from nothing.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=nano_path(), help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exchanges", type=int, default=140_000, help="size of the corpus")
    parser.add_argument("--batch-size", type=int, default=32, help=f"rows of {ROW_TOKENS} tokens")
    parser.add_argument("--learning-rate", type=float, default=3e-3, help="peak of the cosine")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    seed, count, size = arguments.seed, arguments.exchanges, arguments.batch_size
    words = learn_words(seed, count)
    packed = list(rows(words, seed, count))
    batches = [
        tuple(mx.array(column) for column in zip(*packed[at : at + size], strict=True))
        for at in range(0, len(packed) - size + 1, size)
    ]
    mx.random.seed(seed)
    model = llama.Model(llama.ModelArgs.from_dict(CONFIG))
    parameters = sum(value.size for _, value in tree_flatten(model.parameters()))
    print(f"{count} exchanges, {len(batches)} updates, {parameters} parameters", flush=True)
    final_loss = pretrain(model, batches, arguments.learning_rate)
    record = {
        "seed": seed,
        "exchanges": count,
        "batch_size": size,
        "learning_rate": arguments.learning_rate,
        "corpus_sha256": corpus.digest(seed, count),
        "updates": len(batches),
        "parameters": parameters,
        "final_loss": round(final_loss, 4),
    }
    save(model, words, record, arguments.out)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
