"""A tiny twin has every kind of block and every mechanism of the original, and few of each."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit import catalogue
from cockpit.catalogue import CatalogueModel
from cockpit.check.shrink import VOCABULARY, fingerprint, has_experts, shrink
from cockpit.check.stages import packing_of
from cockpit.core.model_spec import from_config, text_config

LARGEST = {"hidden_size": 128, "num_hidden_layers": 24, "vocab_size": VOCABULARY}


def of(slug: str) -> dict[str, Any]:
    found = catalogue.find(slug)
    assert found is not None
    return found.config()


@pytest.mark.parametrize("model", catalogue.models(), ids=lambda model: model.slug)
def test_every_model_of_the_catalogue_shrinks(model: CatalogueModel) -> None:
    twin = shrink(model.config())
    spec = from_config(twin)

    assert spec.model_type == model.config()["model_type"]
    for name, most in LARGEST.items():
        assert 0 < getattr(spec, name) <= most, name
    assert has_experts(twin) == has_experts(model.config())
    text, original = text_config(twin), text_config(model.config())
    assert set(text.get("layer_types") or ()) == set(original.get("layer_types") or ())
    assert not {"vision_config", "auto_map", "quantization_config"} & twin.keys()


def test_a_hybrid_keeps_its_kinds_of_blocks_in_their_order() -> None:
    twin = shrink(of("granite-4.0-h-micro"))

    assert twin["layer_types"] == ["mamba"] * 5 + ["attention"]
    assert twin["num_hidden_layers"] == 6
    assert twin["mamba_n_heads"] * twin["mamba_d_head"] == 2 * twin["hidden_size"]


def test_blocks_that_share_keys_still_find_one_of_their_kind_before_them() -> None:
    text = shrink(of("gemma-3n-e4b"))["text_config"]

    own = text["layer_types"][: -text["num_kv_shared_layers"]]
    assert set(own) == set(text["layer_types"]) == {"sliding_attention", "full_attention"}
    assert len(text["activation_sparsity_pattern"]) == text["num_hidden_layers"]
    assert set(text["activation_sparsity_pattern"]) == {0.95, 0.0}


def test_dense_blocks_before_experts_stay_and_experts_follow() -> None:
    twin = shrink(of("deepseek-v3"))

    assert twin["first_k_dense_replace"] == 3 and twin["num_hidden_layers"] == 5
    assert twin["n_routed_experts"] % twin["n_group"] == 0
    assert twin["num_experts_per_tok"] <= twin["n_routed_experts"]


def test_shared_keys_stay_shared_and_factors_fit_the_heads() -> None:
    twin = shrink(of("phi-4-mini"))

    assert 0 < twin["num_key_value_heads"] < twin["num_attention_heads"]
    width = twin["hidden_size"] // twin["num_attention_heads"]
    pairs = int(width * twin["partial_rotary_factor"]) // 2
    assert len(twin["rope_scaling"]["long_factor"]) == pairs


def test_what_the_config_leaves_to_the_architecture_is_shrunk_too() -> None:
    defaults = {"num_attention_heads": 8, "head_dim": 256, "sliding_window_pattern": 6}

    text = shrink(of("gemma-3-4b"), defaults)["text_config"]

    assert (text["num_attention_heads"], text["head_dim"]) == (4, 64)
    assert text["num_hidden_layers"] == 6


def test_models_that_differ_in_size_alone_have_the_same_twin() -> None:
    assert fingerprint(of("qwen2.5-0.5b"), "4-bit") == fingerprint(of("qwen2.5-3b"), "4-bit")
    assert fingerprint(of("qwen2.5-3b"), "4-bit") != fingerprint(of("qwen2.5-3b"), "16-bit")
    # Untied: it has an output matrix of its own.
    assert fingerprint(of("qwen2.5-7b"), "4-bit") != fingerprint(of("qwen2.5-3b"), "4-bit")


def test_packings_are_named_as_mlx_lm_holds_them() -> None:
    assert packing_of(of("qwen2.5-3b")) == "16-bit"
    assert packing_of(of("gpt-oss-20b")) == "mxfp4"
    assert packing_of({"quantization": {"bits": 8, "group_size": 64}}) == "8-bit"
