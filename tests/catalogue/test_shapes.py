"""The configs against mlx-lm: it builds each model, at the published size, lazily."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import _get_classes

from cockpit.catalogue import CatalogueModel, find, models
from cockpit.core.model_spec import from_config

every_model = pytest.mark.parametrize("model", models(), ids=lambda model: model.slug)
has_formula = pytest.mark.parametrize(
    "model",
    [model for model in models() if from_config(model.config()).parameters is not None],
    ids=lambda model: model.slug,
)
needs_keys = pytest.mark.parametrize(
    "model", [model for model in models() if model.lora_keys], ids=lambda model: model.slug
)


def build(config: Mapping[str, Any]) -> nn.Module:
    """The model as mlx-lm loads it, its parameters unevaluated."""
    model_class, arguments = _get_classes(dict(config))
    model = model_class(arguments.from_dict(dict(config)))
    if config["model_type"] in ("gemma3", "gemma3_text"):
        # Loading drops the output matrix that the published files do not have.
        getattr(model, "language_model", model).sanitize({})
    model.freeze()
    return model


def size(parameters: Any) -> int:
    return sum(value.size for _, value in tree_flatten(parameters))


def with_adapters(model: nn.Module, keys: tuple[str, ...] | None) -> nn.Module:
    parameters: dict[str, Any] = {"rank": 8, "scale": 20.0, "dropout": 0.0}
    if keys is not None:
        parameters["keys"] = list(keys)
    linear_to_lora_layers(model, len(model.layers), parameters)
    return model


@every_model
def test_mlx_lm_builds_the_published_number_of_parameters(model: CatalogueModel) -> None:
    before = mx.get_active_memory()
    counted = size(build(model.config()).parameters())

    assert counted == pytest.approx(model.parameters, rel=0.01)
    assert mx.get_active_memory() == before


@has_formula
def test_model_specs_own_formula_counts_the_same(model: CatalogueModel) -> None:
    assert from_config(model.config()).parameters == size(build(model.config()).parameters())


@every_model
def test_adapters_find_layers_to_train(model: CatalogueModel) -> None:
    adapted = with_adapters(build(model.config()), model.lora_keys)

    assert 0 < size(adapted.trainable_parameters()) < model.parameters


def gemma3n_twin() -> dict[str, Any]:
    """Gemma 3n in small: every kind of layer, none of the size."""
    model = find("gemma-3n-e4b")
    assert model is not None
    config = model.config()
    text = config["text_config"]
    small = {
        "num_hidden_layers": 10,
        "num_kv_shared_layers": 5,
        "hidden_size": 64,
        "intermediate_size": [128] * 10,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "vocab_size": 256,
        "vocab_size_per_layer_input": 256,
        "hidden_size_per_layer_input": 16,
        "laurel_rank": 8,
        "sliding_window": 16,
        "layer_types": text["layer_types"][:10],
        "activation_sparsity_pattern": [0.95] * 2 + [0.0] * 8,
    }
    return {**config, "text_config": text | small}


def gradients(model: nn.Module) -> dict[str, mx.array]:
    tokens = mx.array([[1, 2, 3, 4, 5, 6, 7, 8, 9]])

    def loss(model: nn.Module) -> mx.array:
        logits = model(tokens[:, :-1]).astype(mx.float32)
        return nn.losses.cross_entropy(logits, tokens[:, 1:], reduction="mean")

    _, found = nn.value_and_grad(model, loss)(model)
    return dict(tree_flatten(found))


def test_gemma3n_trains_with_its_keys_in_every_layer() -> None:
    model = find("gemma-3n-e4b")
    assert model is not None and model.lora_keys is not None

    found = gradients(with_adapters(build(gemma3n_twin()), model.lora_keys))

    # lora_b starts at zero, so at first only it has a gradient.
    moved = [name for name, value in found.items() if name.endswith("lora_b") and value.any()]
    assert len(moved) == 10 * len(model.lora_keys)


def test_gemma3n_still_needs_them() -> None:
    with pytest.raises(AttributeError, match="no attribute 'weight'"):
        gradients(with_adapters(build(gemma3n_twin()), None))


@needs_keys
def test_explicit_keys_name_layers_of_every_block(model: CatalogueModel) -> None:
    for block in build(model.config()).layers:
        names = {name for name, _ in block.named_modules()}
        assert names >= set(model.lora_keys or ())
