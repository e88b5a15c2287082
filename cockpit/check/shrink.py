"""The tiny twin of a config.json: the same architecture, every dimension shrunk.

Blocks are cut to the shortest prefix that still holds every kind of block, so that a hybrid
stays one. Widths stay multiples of 64, so that whatever would be packed in the real model is
packed in its twin.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cockpit.core.model_spec import text_config

Config = dict[str, Any]

VOCABULARY = 1024  # of the embedded tokenizer, which every twin gets
_EOS, _PAD = 1, 0

_FEWEST_LAYERS = 4
_HEADS = 4
# Values are made no larger than these. Zero and null mean "has none" and stay.
_SIZES: dict[str, int] = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "model_dim", "block_dim"), 128),
    **dict.fromkeys(("intermediate_size", "n_inner", "ffn_hidden_size", "block_ff_dim"), 192),
    **dict.fromkeys(("moe_intermediate_size", "expert_intermediate_size"), 64),
    **dict.fromkeys(("shared_intermediate_size", "shared_expert_intermediate_size"), 128),
    **dict.fromkeys(("head_dim", "v_head_dim", "qk_nope_head_dim"), 64),
    **dict.fromkeys(("vocab_size", "padded_vocab_size", "embedding_size"), VOCABULARY),
    "vocab_size_per_layer_input": VOCABULARY,
    "hidden_size_per_layer_input": 64,
    "global_head_dim": 128,
    "qk_rope_head_dim": 16,
    "kv_lora_rank": 64,
    "q_lora_rank": 64,
    "laurel_rank": 64,
    "sliding_window": 16,
    "sliding_window_size": 16,
    "attention_window_size": 16,
    "mamba_n_heads": 4,
    "mamba_num_heads": 4,
    "mamba_d_head": 64,
    "mamba_head_dim": 64,
    "mamba_d_state": 32,
    "ssm_state_size": 32,
    "state_size": 32,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 32,
    "linear_value_head_dim": 32,
    "n_group": 2,
    "topk_group": 1,
    "n_shared_experts": 1,
}
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_transformer_layers")
_QUERY_HEADS = ("num_attention_heads", "n_head", "n_heads")
_KEY_HEADS = ("num_key_value_heads", "num_kv_heads", "num_global_key_value_heads")
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_EXPERTS_A_TOKEN = ("num_experts_per_tok", "experts_per_token", "top_k_experts", "moe_topk")
# Every so many blocks is of another kind.
_INTERVALS = (
    "full_attention_interval",
    "sliding_window_pattern",
    "_sliding_window_pattern",
    "no_rope_layer_interval",
    "moe_layer_freq",
    "decoder_sparse_step",
    "interleave_moe_layer_step",
)
_BLOCK_NUMBERS = ("full_attn_idxs", "attn_layer_idx", "mlp_only_layers", "attn_layer_indices")
# What a twin does not have: other senses, code of its own, packings that are made afresh.
_LEFT_OUT = ("vision_config", "audio_config", "auto_map", "quantization", "quantization_config")
_TOKENS = {"eos_token_id": _EOS, "pad_token_id": _PAD}
# Twins that differ in nothing else are the same.
_NO_SHAPE = frozenset(
    {"rope_theta", "rms_norm_eps", "initializer_range", "max_position_embeddings", "use_cache"}
    | {"max_window_layers", "transformers_version", "_name_or_path", "query_pre_attn_scalar"}
    | {"cache_implementation", "attention_dropout", "pretraining_tp", "use_mrope"}
    | {"is_llama_config", "rope_interleaved", "sliding_window_size"}
)


def shrink(config: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> Config:
    """A config.json of the same architecture with every dimension shrunk.

    ``defaults``: what the architecture takes where the config is silent; those are shrunk too.
    """
    nested = next((k for k in ("text_config", "llm_config") if k in config), None)
    kept = {k: v for k, v in config.items() if k not in _LEFT_OUT}
    if nested is None:
        return _tiny(kept, defaults or {})
    kept[nested] = _tiny(dict(config[nested]), defaults or {})
    # Some wrappers read the vocabulary at the top and hand it down.
    return kept | {"vocab_size": VOCABULARY} | _TOKENS


def fingerprint(config: Mapping[str, Any], packing: str) -> str:
    """The same for all models whose twins are the same; it needs no mlx."""
    shape = {k: v for k, v in shrink(config).items() if k not in _NO_SHAPE and v is not None}
    text = json.dumps([shape, packing], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def has_experts(config: Mapping[str, Any]) -> bool:
    text = text_config(config)
    return any(isinstance(text.get(k), int) and text[k] > 1 for k in _EXPERTS)


def _tiny(config: Config, defaults: Mapping[str, Any]) -> Config:
    known = {**{k: v for k, v in defaults.items() if k not in config}, **config}
    tiny = dict(config)
    for name, value in known.items():
        if name in _SIZES:
            tiny[name] = _at_most(value, _SIZES[name])
    tiny |= _heads(known) | _experts(known) | _TOKENS
    if isinstance(expand := tiny.get("mamba_expand"), int) and tiny.get("mamba_n_heads"):
        # The heads of a state space divide its width among them.
        tiny["mamba_d_head"] = expand * tiny["hidden_size"] // tiny["mamba_n_heads"]
    tiny |= _rope(tiny | {k: v for k, v in known.items() if k not in tiny})
    tiny.pop("bos_token_id", None)
    return tiny | _blocks(known, tiny)


def _at_most(value: Any, most: int) -> Any:
    if isinstance(value, list):
        return [_at_most(one, most) for one in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return min(value, most)
    return value


def _heads(known: Mapping[str, Any]) -> Config:
    """Few heads, with keys shared by several queries if they are in the original."""
    found: Config = {}
    queries = next((known[k] for k in _QUERY_HEADS if isinstance(known.get(k), int)), None)
    if queries is None:
        return found
    for name in _QUERY_HEADS:
        if isinstance(known.get(name), int):
            found[name] = min(known[name], _HEADS)
    for name in _KEY_HEADS:
        if isinstance(keys := known.get(name), int):
            shared = 1 if keys == 1 else 2
            found[name] = min(queries, _HEADS) if keys == queries else min(keys, shared)
    return found


def _experts(known: Mapping[str, Any]) -> Config:
    groups = 2 if (known.get("n_group") or 1) > 1 else 1
    found: Config = {k: _at_most(known[k], 4 * groups) for k in _EXPERTS if k in known}
    return found | {k: _at_most(known[k], 2) for k in _EXPERTS_A_TOKEN if k in known}


def _rope(tiny: Mapping[str, Any]) -> Config:
    """Factors for each rotated pair of dimensions, cut to as many as the twin has."""
    scaling = tiny.get("rope_scaling")
    heads = next((tiny[k] for k in _QUERY_HEADS if isinstance(tiny.get(k), int)), None)
    if not isinstance(scaling, dict) or heads is None:
        return {}
    width = tiny.get("head_dim") or tiny.get("hidden_size", 0) // heads
    pairs = int(width * (tiny.get("partial_rotary_factor") or 1.0)) // 2
    cut = {k: v[:pairs] if isinstance(v, list) else v for k, v in scaling.items()}
    return {"rope_scaling": cut}


def _blocks(known: Mapping[str, Any], tiny: Config) -> Config:
    """Fewer blocks, and every field that speaks of blocks one by one."""
    field = next((k for k in _LAYERS if isinstance(known.get(k), int)), None)
    if field is None:
        return {}
    depth = known[field]
    layers = min(depth, _prefix(known, depth))
    found: Config = {}
    if (shared := known.get("num_kv_shared_layers")) and 2 * layers <= depth:
        # Blocks that take their keys from earlier ones need one of each kind before them.
        found["num_kv_shared_layers"] = layers
        layers *= 2
    elif shared:
        found["num_kv_shared_layers"] = 0
    for name, value in tiny.items():
        if isinstance(value, list | str) and len(value) == depth and depth > 1:
            found[name] = _cut(value, layers)
        elif name in _BLOCK_NUMBERS and isinstance(value, list):
            found[name] = [number for number in value if number < layers]
        elif name == "max_window_layers" and isinstance(value, int):
            found[name] = min(value, layers)
    return found | {k: layers for k in _LAYERS if isinstance(known.get(k), int)}


def _prefix(known: Mapping[str, Any], depth: int) -> int:
    """The fewest leading blocks that hold one of every kind."""
    fewest = _FEWEST_LAYERS
    for name, value in known.items():
        if name in _INTERVALS:
            step = len(value) if isinstance(value, str) else value
            fewest = max(fewest, step if isinstance(step, int) else 0)
        elif name in _BLOCK_NUMBERS and isinstance(value, list) and value:
            fewest = max(fewest, value[0] + 1)
        elif isinstance(value, list | str) and len(value) == depth and not _graded(value):
            fewest = max(fewest, 1 + max(value.index(kind) for kind in set(value)))
    return max(fewest, (known.get("first_k_dense_replace") or 0) + 2)


def _cut(values: Any, layers: int) -> Any:
    if _graded(values):
        return [values[number * len(values) // layers] for number in range(layers)]
    return values[:layers]


def _graded(values: Any) -> bool:
    """Numbers for each block (widths, sparsities), and not the names of kinds of blocks."""
    return not isinstance(values, str) and any(
        isinstance(value, float) or (isinstance(value, int) and value > 1) for value in values
    )
