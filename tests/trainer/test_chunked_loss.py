"""The loss in pieces is mlx-lm's loss, and so are its gradients; only the memory differs."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_flatten, tree_map
from mlx_lm.tuner.trainer import default_loss

from cockpit.memory import build
from cockpit.trainer import chunked_loss
from cockpit.trainer.failures import Failure
from tests.memory import models
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]

LLAMA = models.LLAMA | {"num_hidden_layers": 2, "vocab_size": 200}
UNTIED = LLAMA | {"tie_word_embeddings": False}
PACKED = {"quantization": {"bits": 4, "group_size": 64}}
ROPE = {"rope_theta": 1e4, "max_position_embeddings": 4096}
# What they do around their heads: softcapping, scaling before and after, a multiplication with
# the embedding's weight, blocks beside the head, a model inside a model.
FAMILIES: dict[str, dict[str, Any]] = {
    "gemma2": {"query_pre_attn_scalar": 32},
    "granite": ROPE
    | {
        "logits_scaling": 8.0,
        "attention_multiplier": 0.1,
        "embedding_multiplier": 12.0,
        "residual_multiplier": 0.2,
        "attention_bias": False,
        "mlp_bias": False,
    },
    "cohere2": {"head_dim": 16, "sliding_window": 64, "sliding_window_pattern": 2},
    "minicpm": ROPE | {"dim_model_base": 16, "scale_depth": 1.4, "scale_emb": 12},
    "gpt_neox": ROPE | {"layer_norm_eps": 1e-5, "rotary_emb_base": 10_000, "rotary_pct": 0.25},
    "phi": ROPE | {"num_key_value_heads": 4, "layer_norm_eps": 1e-5, "partial_rotary_factor": 0.5},
    "gemma4_text": models.SHARED_KEYS | {"vocab_size_per_layer_input": 200},
    "qwen3_moe": models.EXPERTS,
    "gemma3": {
        "text_config": models.LLAMA
        | {"model_type": "gemma3_text", "vocab_size": 200, "sliding_window_pattern": 3}
    },
}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tied": (LLAMA, {}),
    "untied": (UNTIED, {}),
    "tied and packed": (LLAMA | PACKED, {}),
    "untied and packed": (UNTIED | PACKED, {}),
    "an adapter on the head": (UNTIED, {"lora_parameters": {"keys": ["lm_head"]}}),
    "an adapter on a packed tied head": (
        LLAMA | PACKED,
        {"lora_parameters": {"keys": ["self_attn.q_proj", "model.embed_tokens"]}},
    ),
    "full": (LLAMA, {"fine_tune_type": "full"}),
    **{
        name: (LLAMA | fields | {"model_type": name, "vocab_size": 200}, {})
        for name, fields in FAMILIES.items()
    },
}
# Ragged, with a masked prompt; 3 x 32 positions.
BOUNDS = [[0, 33], [5, 20], [10, 12]]
POSITIONS = 96


def make(config: dict[str, Any], **fields: Any) -> nn.Module:
    """A model with adapters that have learned something already."""
    mx.random.seed(0)
    model = build.from_config_alone(config)
    build.make_trainable(model, models.plan(**fields), "cpu")
    learned = tree_map(
        lambda value: value + 0.05 * mx.random.normal(value.shape), model.trainable_parameters()
    )
    model.update(learned)
    mx.eval(model.parameters())
    return model


def batch() -> tuple[mx.array, mx.array]:
    return mx.random.randint(0, 200, (3, 33), key=mx.random.key(1)), mx.array(BOUNDS)


def compare(model: nn.Module, chunks: int) -> None:
    """Mean and sum, in training and in measuring, to 1e-5 of the largest gradient."""
    data = batch()
    (wanted, tokens), gradient = nn.value_and_grad(model, default_loss)(model, *data)
    mx.eval(wanted, gradient)
    loss = chunked_loss.of(model, chunks)
    for function, scale in ((loss.mean, 1), (loss.total, tokens.item())):
        (_, found, counted), found_gradient = nn.value_and_grad(model, function)(model, *data)
        assert counted.item() == tokens.item()
        assert found.item() / scale == pytest.approx(wanted.item(), abs=1e-5)
        assert difference(found_gradient, gradient, scale) < 1e-5
    measured, counted = loss.measure(model, *data)
    assert counted.item() == tokens.item()
    assert measured.item() == pytest.approx(wanted.item(), abs=1e-5)


def difference(found: Any, wanted: Any, scale: float) -> float:
    pairs = zip(tree_flatten(found), tree_flatten(wanted), strict=True)
    largest = max(mx.abs(value).max().item() for _, value in tree_flatten(wanted))
    worst: float = max(mx.abs(a / scale - b).max().item() for (_, a), (_, b) in pairs)
    return worst / largest


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_are_mlx_lms(case: str) -> None:
    config, fields = CASES[case]
    compare(make(config, **fields), chunks=5)


@pytest.mark.parametrize("chunks", [2, 3, 7, 96, 1000])
def test_any_number_of_pieces_will_do(chunks: int) -> None:
    compare(make(LLAMA), chunks)


def test_a_tied_head_that_is_trained_learns_from_both_its_uses() -> None:
    model = make(LLAMA)
    model.unfreeze()
    compare(model, 4)


def test_not_all_logits_exist_at_once() -> None:
    model = make(LLAMA | {"vocab_size": 20_000})
    peaks = {}
    for chunks in (1, 32):
        mx.reset_peak_memory()
        before = mx.get_active_memory()
        mx.eval(nn.value_and_grad(model, chunked_loss.of(model, chunks).mean)(model, *batch())[1])
        peaks[chunks] = mx.get_peak_memory() - before
    all_logits_bytes = POSITIONS * 20_000 * 4
    assert peaks[1] > 2 * all_logits_bytes
    assert peaks[32] < all_logits_bytes


def test_a_batch_that_was_measured_is_let_go_of_at_once() -> None:
    """Without Python's search for cycles, which comes when it likes."""
    model = make(LLAMA)
    loss, data = chunked_loss.of(model, 4), batch()
    mx.eval(loss.measure(model, *data))
    gc.collect()
    gc.disable()
    try:
        before = mx.get_active_memory()
        mx.eval(loss.measure(model, *data))
        assert mx.get_active_memory() - before < 1_000
    finally:
        gc.enable()


class Neighbourly(nn.Module):  # type: ignore[misc]
    """A model whose logits know of those before them: no piece can stand alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(8, 8)]
        self.embedding = nn.Embedding(20, 8)
        self.head = nn.Linear(8, 20)
        self.model_type = "neighbourly"

    def __call__(self, inputs: mx.array) -> mx.array:
        return mx.cumsum(self.head(self.layers[0](self.embedding(inputs))), axis=1)


class Headless(Neighbourly):
    """A model that makes its logits inside of its last block."""

    def __call__(self, inputs: mx.array) -> mx.array:
        states = self.layers[0](self.embedding(inputs))
        return mx.concatenate([states, states], axis=-1)


@pytest.mark.parametrize("kind", [Neighbourly, Headless])
def test_a_family_that_cannot_be_taken_apart_is_named_before_training(
    kind: type[nn.Module],
) -> None:
    model = kind()
    model.model_type = kind.__name__.lower()
    with pytest.raises(Failure) as raised:
        chunked_loss.verified(model, 4)
    assert kind.__name__.lower() in raised.value.message
    assert chunked_loss.verified(model, 1) is chunked_loss.WHOLE


def test_dropout_on_the_head_is_drawn_once_for_both_passes() -> None:
    """Gradients against finite differences, under the same masks."""
    keys = {"keys": ["lm_head"], "rank": 4, "dropout": 0.4, "scale": 2.0}
    model = make(UNTIED, lora_parameters=keys)
    loss, data = chunked_loss.of(model, 5), batch()

    def at(weights: Any) -> float:
        mx.random.seed(3)
        model.update(weights)
        return float(loss.mean(model, *data)[1].item())

    mx.random.seed(3)
    _, gradient = nn.value_and_grad(model, loss.mean)(model, *data)
    start = model.trainable_parameters()
    step = tree_map(lambda value: 0.03 * mx.random.normal(value.shape), start)
    slope = sum(
        (g * s).sum().item()
        for (_, g), (_, s) in zip(tree_flatten(gradient), tree_flatten(step), strict=True)
    )
    ahead, behind = at(tree_map(mx.add, start, step)), at(tree_map(mx.subtract, start, step))
    assert slope == pytest.approx((ahead - behind) / 2, rel=2e-2)


def test_a_run_learns_the_same(prepare: Prepare) -> None:
    fields: dict[str, Any] = {"iters": 4, "grad_accumulation_steps": 2, "steps_per_eval": 2}
    whole, chunked = prepare(**fields), prepare(loss_chunks=5, **fields)
    checkpointed = prepare(loss_chunks=5, grad_checkpoint=True, **fields).start()
    assert whole.here() == chunked.here() == checkpointed.wait() == 0
    assert chunked.losses == pytest.approx(whole.losses, abs=1e-5)
    assert checkpointed.losses == pytest.approx(whole.losses, abs=1e-4)


def test_a_run_draws_the_same_dropout(prepare: Prepare) -> None:
    fields: dict[str, Any] = {"iters": 4, "lora_parameters": {"rank": 4, "dropout": 0.3}}
    whole, chunked = prepare(**fields), prepare(loss_chunks=5, **fields)
    assert whole.here() == chunked.here() == 0
    assert chunked.losses == pytest.approx(whole.losses, abs=1e-5)
