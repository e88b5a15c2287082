"""The loss in pieces against mlx-lm's, over every architecture of the forecast's bench.

    python bench/chunked_loss.py [--only TEXT]

Random weights, adapters that have learned something, ragged lengths and a masked prompt. Prints the
largest differences in the loss and, relative to the largest gradient, in any gradient; both are to
be at most 1e-5 in float32. Exits with 1 if one is not, or if a family cannot be taken apart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from forecast_architectures import ARCHITECTURES, Config, packed
from mlx.utils import tree_flatten, tree_map
from mlx_lm.tuner.trainer import default_loss

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.memory import build
from cockpit.trainer import chunked_loss

GOAL = 1e-5
VOCABULARY = 500
CHUNKS = (2, 5, 1000)
PLAN = RunPlan(model="bench", data="bench", num_layers=-1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="architectures whose name contains this")
    only = parser.parse_args().only
    failed = 0
    for name, config in cases():
        if only not in name:
            continue
        try:
            loss, gradient = differences(config)
        except CockpitError as error:
            print(f"{name:24} {error.title}")
            failed += 1
            continue
        good = max(loss, gradient) <= GOAL
        failed += not good
        print(f"{name:24} loss {loss:.1e} gradient {gradient:.1e}{'' if good else ' OFF'}")
    return int(failed > 0)


def cases() -> Iterator[tuple[str, Config]]:
    for name, config in ARCHITECTURES.items():
        yield name, shrunk(config)
    for name in ("llama", "llama-untied", "qwen3", "gemma2"):
        yield f"{name}, 4 bits", packed(shrunk(ARCHITECTURES[name]), 4, 32)
    yield "minicpm, untied", shrunk(ARCHITECTURES["minicpm"]) | {"tie_word_embeddings": False}


def shrunk(config: Config) -> Config:
    """The same with a small vocabulary: sizes change no mathematics."""
    words = {"vocab_size", "vocab_size_per_layer_input"}
    small = {key: VOCABULARY if key in words else value for key, value in config.items()}
    return small | {key: shrunk(value) for key, value in small.items() if key == "text_config"}


def differences(config: Config) -> tuple[float, float]:
    mx.random.seed(0)
    model = build.from_config_alone(config)
    build.make_trainable(model, PLAN, "cpu")
    model.update(
        tree_map(lambda v: v + 0.05 * mx.random.normal(v.shape), model.trainable_parameters())
    )
    batch = mx.random.randint(0, VOCABULARY, (3, 33)), mx.array([[0, 33], [5, 20], [10, 12]])
    (wanted, _), gradient = nn.value_and_grad(model, default_loss)(model, *batch)
    losses, gradients = [0.0], [0.0]
    for chunks in CHUNKS:
        loss = chunked_loss.of(model, chunks)
        (_, found, _), own = nn.value_and_grad(model, loss.mean)(model, *batch)
        measured, _ = loss.measure(model, *batch)
        losses += [mx.abs(value - wanted).item() for value in (found, measured)]
        gradients.append(_relative(own, gradient))
    return max(losses), max(gradients)


def _relative(found: Any, wanted: Any) -> float:
    largest = max(mx.abs(value).max().item() for _, value in tree_flatten(wanted))
    pairs = zip(tree_flatten(found), tree_flatten(wanted), strict=True)
    worst: float = max(mx.abs(a - b).max().item() for (_, a), (_, b) in pairs)
    return worst / largest


if __name__ == "__main__":
    sys.exit(main())
