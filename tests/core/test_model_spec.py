"""What a model is follows from its config and headers, and agrees with what mlx-lm builds."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import _get_classes, get_total_parameters

from cockpit.core import model_spec
from cockpit.core.model_spec import from_config
from cockpit.core.plan import RunPlan
from cockpit.core.quantization import Quantization
from cockpit.core.tensors import Tensor
from cockpit.core.trainable import trainable_parameters

SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 256,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1e4,
    "max_position_embeddings": 512,
}
FAMILIES: list[dict[str, Any]] = [
    {"model_type": "llama", "tie_word_embeddings": False},
    {"model_type": "llama", "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True},
    {"model_type": "mistral", "tie_word_embeddings": False},
    {"model_type": "qwen2", "tie_word_embeddings": True},
    {"model_type": "qwen3", "tie_word_embeddings": False, "head_dim": 32},
    {"model_type": "gemma"},
    {
        "model_type": "gemma2",
        "query_pre_attn_scalar": 16,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
    },
    {"model_type": "phi3", "tie_word_embeddings": False},
    {
        "model_type": "granite",
        "tie_word_embeddings": True,
        "logits_scaling": 1.0,
        "attention_multiplier": 1.0,
        "embedding_multiplier": 1.0,
        "residual_multiplier": 1.0,
        "attention_bias": False,
        "mlp_bias": False,
    },
    {"model_type": "smollm3", "tie_word_embeddings": True},
    {
        "model_type": "mixtral",
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "tie_word_embeddings": False,
    },
    {
        "model_type": "qwen3_moe",
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 64,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "norm_topk_prob": True,
        "tie_word_embeddings": False,
    },
]
DTYPES = {"uint32": "U32", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def build(config: dict[str, Any]) -> nn.Module:
    """mlx-lm's own model; its arrays are lazy and take no memory."""
    model_class, arguments = _get_classes(config)
    model = model_class(arguments.from_dict(config))
    assert isinstance(model, nn.Module)
    return model


def headers(model: nn.Module) -> dict[str, Tensor]:
    """What the safetensors headers of a saved model would say."""
    return {
        name: Tensor(DTYPES[str(value.dtype).removeprefix("mlx.core.")], tuple(value.shape))
        for name, value in tree_flatten(model.parameters())
    }


def size_bytes(model: nn.Module) -> int:
    return sum(value.nbytes for _, value in tree_flatten(model.parameters()))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f["model_type"])
def test_the_formula_counts_what_mlx_lm_builds(family: dict[str, Any]) -> None:
    config = SMALL | family | {"torch_dtype": "float32"}
    model = build(config)
    spec = from_config(config)
    assert spec.parameters == get_total_parameters(model)
    assert spec.weight_bytes == size_bytes(model)
    assert not spec.counted


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f["model_type"])
@pytest.mark.parametrize("bits", [None, 4, 8])
def test_headers_are_counted_packed_or_not(family: dict[str, Any], bits: int | None) -> None:
    config = SMALL | family
    model = build(config)
    parameters = get_total_parameters(model)
    if bits:
        nn.quantize(model, group_size=32, bits=bits)
        config["quantization"] = {"group_size": 32, "bits": bits}
    spec = from_config(config, headers(model))
    assert spec.counted
    assert spec.parameters == parameters
    assert spec.weight_bytes == size_bytes(model)
    assert spec.dtype == "float32"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f["model_type"])
def test_a_quantized_size_is_estimated_closely(family: dict[str, Any]) -> None:
    config = SMALL | family | {"quantization": {"group_size": 32, "bits": 4}}
    model = build(config)
    model.set_dtype(mx.bfloat16)
    nn.quantize(model, group_size=32, bits=4)
    assert from_config(config).weight_bytes == pytest.approx(size_bytes(model), rel=0.02)


def test_layers_may_be_packed_each_in_its_own_way() -> None:
    packing = {
        "group_size": 64,
        "bits": 4,
        "model.embed_tokens": {"group_size": 32, "bits": 8},
        "model.layers.0.mlp.up_proj": False,
    }
    found = from_config({"model_type": "llama", "quantization": packing}).quantization
    assert found is not None
    assert (found.bits, found.group_size) == (4, 64)
    assert found.of("model.embed_tokens") == Quantization(8, 32)
    assert found.of("model.layers.0.mlp.up_proj") is None
    assert found.of("model.layers.1.mlp.up_proj") is found


def test_mixed_packing_is_counted_exactly() -> None:
    config = SMALL | FAMILIES[0]
    model = build(config)
    parameters = get_total_parameters(model)
    wide = {"group_size": 64, "bits": 8}

    def choose(path: str, module: nn.Module) -> bool | dict[str, int]:
        if not hasattr(module, "to_quantized") or path == "lm_head":
            return False
        return wide if "embed" in path or "down_proj" in path else True

    nn.quantize(model, group_size=32, bits=4, class_predicate=choose)
    paths = [p for p, m in model.named_modules() if hasattr(m, "bits") and m.bits == 8]
    config["quantization"] = {"group_size": 32, "bits": 4} | dict.fromkeys(paths, wide)
    assert len(paths) == 4
    assert from_config(config, headers(model)).parameters == parameters


@pytest.mark.parametrize(
    ("packing", "expected"),
    [
        ({"quant_method": "mxfp4"}, Quantization(4, 32, "mxfp4")),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, Quantization(4, 128)),
        ({"quant_method": "fp8"}, None),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, Quantization(4, 32)),
    ],
)
def test_packings_of_other_tools(packing: dict[str, Any], expected: Quantization | None) -> None:
    config = {"model_type": "llama", "quantization_config": packing}
    assert from_config(config).quantization == expected


def test_the_text_model_of_a_multimodal_one() -> None:
    """gemma-3-4b as it is published: most of the text model's facts are left to defaults."""
    config = {
        "model_type": "gemma3",
        "text_config": {
            "model_type": "gemma3_text",
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_hidden_layers": 34,
        },
        "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27},
        "torch_dtype": "bfloat16",
    }
    unknown = from_config(config)
    assert (unknown.hidden_size, unknown.num_hidden_layers) == (2560, 34)
    assert (unknown.num_attention_heads, unknown.head_dim, unknown.vocab_size) == (None, None, None)
    assert (unknown.parameters, unknown.weight_bytes) == (None, None)
    tensors = {
        "language_model.model.embed_tokens.weight": Tensor("BF16", (262208, 2560)),
        "language_model.model.layers.0.self_attn.q_proj.weight": Tensor("BF16", (2048, 2560)),
        "language_model.model.layers.0.self_attn.k_proj.weight": Tensor("BF16", (1024, 2560)),
        "language_model.model.layers.0.self_attn.q_norm.weight": Tensor("BF16", (256,)),
        "vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight": Tensor("BF16", (4304, 1152)),
        "multi_modal_projector.mm_input_projection_weight": Tensor("BF16", (1152, 2560)),
    }
    known = from_config(config, tensors)
    assert (known.num_attention_heads, known.num_key_value_heads) == (8, 4)
    assert (known.head_dim, known.vocab_size) == (256, 262208)
    text = sum(t.size for n, t in tensors.items() if n.startswith("language_model"))
    assert (known.parameters, known.weight_bytes) == (text, 2 * text)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257},
            {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
        ),
        (
            {
                "model_type": "deepseek_v3",
                "hidden_size": 7168,
                "num_attention_heads": 128,
                "kv_lora_rank": 512,
                "n_routed_experts": 256,
                "num_experts_per_tok": 8,
                "moe_intermediate_size": 2048,
            },
            {"num_experts": 256, "moe_intermediate_size": 2048, "head_dim": None},
        ),
        (
            {"model_type": "qwen3_vl", "text_config": {"hidden_size": 9, "num_experts": 0}},
            {"hidden_size": 9, "num_experts": None, "is_mixture_of_experts": False},
        ),
        (
            {"model_type": "gemma3n", "text_config": {"intermediate_size": [16, 32, 16]}},
            {"intermediate_size": 32, "tie_word_embeddings": True},
        ),
        ({"model_type": "warpdrive"}, {"hidden_size": None, "parameters": None, "dtype": None}),
        ({}, {"model_type": "unknown", "tie_word_embeddings": None}),
        ({"model_type": "llama", "hidden_size": "big"}, {"hidden_size": None}),
        ({"model_type": "llama", "dtype": "bfloat16"}, {"dtype": "bfloat16"}),
        ({"model_type": "llama", "torch_dtype": "torch.float16"}, {"dtype": "float16"}),
        (
            {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4},
            {"num_key_value_heads": 4, "head_dim": 16},
        ),
    ],
)
def test_facts_and_nothing_but_facts(config: dict[str, Any], expected: dict[str, Any]) -> None:
    spec = from_config(config)
    assert {name: getattr(spec, name) for name in expected} == expected


def test_a_prediction_head_beyond_the_last_layer_is_not_the_model() -> None:
    tensors = {f"model.layers.{n}.mlp.up_proj.weight": Tensor("BF16", (8, 8)) for n in range(4)}
    spec = from_config({"model_type": "deepseek_v3", "num_hidden_layers": 3}, tensors)
    assert spec.parameters == 3 * 64


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f["model_type"])
@pytest.mark.parametrize(
    "fields",
    [
        {"num_layers": 2},
        {"num_layers": -1, "lora_parameters": {"rank": 4}},
        {"num_layers": 1, "lora_parameters": {"rank": 4, "keys": ("self_attn.o_proj",)}},
        {"num_layers": 1, "fine_tune_type": "full"},
    ],
    ids=["lora", "all-layers", "keys", "full"],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_what_would_be_trained_is_what_mlx_lm_trains(
    family: dict[str, Any], fields: dict[str, Any], packed: bool
) -> None:
    config = SMALL | family
    model = build(config)
    if packed:
        nn.quantize(model, group_size=32, bits=4)
        config["quantization"] = {"group_size": 32, "bits": 4}
    tensors = headers(model)
    plan = RunPlan(model="m", data="d", **fields)
    found = trainable_parameters(plan, model_spec.from_config(config, tensors), tensors)
    model.freeze()
    if packed and plan.fine_tune_type == "full":
        assert found is None
        return
    if plan.fine_tune_type == "full":
        for layer in model.layers[-plan.num_layers :]:
            layer.unfreeze()
    else:
        linear_to_lora_layers(model, plan.num_layers, plan.lora_parameters.model_dump())
    assert found == sum(v.size for _, v in tree_flatten(model.trainable_parameters()))
