"""What a model is, read from its config.json and safetensors headers; weights stay on disk.

A fact that neither states is None. Names are config.json's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cockpit.core import parameters
from cockpit.core.quantization import Quantization, parse_quantization
from cockpit.core.tensors import FLOAT_NAMES, Tensor, language_model, number_of_blocks

# One fact, several names: the first that is present counts.
_ALIASES: dict[str, tuple[str, ...]] = {
    "hidden_size": ("hidden_size", "n_embd", "d_model", "model_dim"),
    "num_hidden_layers": (
        "num_hidden_layers",
        "n_layer",
        "n_layers",
        "num_layers",
        "num_transformer_layers",
    ),
    "vocab_size": ("vocab_size", "padded_vocab_size", "embedding_size"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads"),
    "num_key_value_heads": ("num_key_value_heads", "num_kv_heads", "multi_query_group_num"),
    "head_dim": ("head_dim",),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_hidden_size"),
    "num_experts": ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
    "num_experts_per_tok": ("num_experts_per_tok", "top_k_experts", "moe_topk", "moe_k"),
    "moe_intermediate_size": ("moe_intermediate_size",),
    "max_position_embeddings": ("max_position_embeddings", "n_positions", "max_seq_len"),
}

# Architectures without an output matrix of their own, whatever the config says.
_ALWAYS_TIED = frozenset(
    {"gemma", "gemma2", "gemma3", "gemma3_text", "gemma3n", "gemma4", "gemma4_text"}
    | {"cohere", "cohere2", "gpt2"}
)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A language model's shape. Sizes in bytes; None is unknown.

    ``parameters`` and ``weight_bytes`` count the language model alone, as mlx-lm loads it.
    ``counted`` tells whether they were counted in safetensors headers or come from a formula.
    ``intermediate_size`` is the widest, where blocks differ.
    """

    model_type: str
    hidden_size: int | None = None
    num_hidden_layers: int | None = None
    vocab_size: int | None = None
    num_attention_heads: int | None = None
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    intermediate_size: int | None = None
    num_experts: int | None = None
    num_experts_per_tok: int | None = None
    moe_intermediate_size: int | None = None
    max_position_embeddings: int | None = None
    tie_word_embeddings: bool | None = None
    quantization: Quantization | None = None
    dtype: str | None = None
    parameters: int | None = None
    weight_bytes: int | None = None
    counted: bool = False

    @property
    def is_mixture_of_experts(self) -> bool:
        return self.num_experts is not None and self.num_experts > 1


def from_config(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None
) -> ModelSpec:
    """The ModelSpec of a config.json's content and, when given, of its tensors' headers."""
    text = text_config(config)
    facts = {name: _whole(text, keys) for name, keys in _ALIASES.items()}
    model_type = str(text.get("model_type") or config.get("model_type") or "unknown")
    spec = ModelSpec(
        model_type=str(config.get("model_type") or model_type),
        tie_word_embeddings=_tied(config, text, model_type),
        quantization=parse_quantization(config, text),
        dtype=_dtype(config, text),
    )
    spec = replace(spec, **_derived(facts, text))
    if tensors:
        return _counted(spec, tensors)
    count = parameters.estimate(text, spec.hidden_size, spec.vocab_size, spec.tie_word_embeddings)
    if count is None:
        return spec
    return replace(
        spec,
        parameters=count.total,
        weight_bytes=count.size_bytes(spec.dtype, spec.quantization),
    )


def text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The language model's own fields: those of a nested ``text_config`` go before the rest."""
    for key in ("text_config", "llm_config", "language_config"):
        if isinstance(nested := config.get(key), Mapping):
            return dict(config) | {k: v for k, v in nested.items() if v is not None}
    return dict(config)


def _whole(config: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        value = config.get(key)
        if isinstance(value, list) and value and all(isinstance(v, int) for v in value):
            value = max(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _derived(facts: dict[str, Any], text: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that follow from others in every architecture of mlx-lm that leaves them out."""
    if facts["num_key_value_heads"] is None:
        facts["num_key_value_heads"] = facts["num_attention_heads"]
    hidden, heads = facts["hidden_size"], facts["num_attention_heads"]
    if facts["head_dim"] is None and hidden and heads and not _has_own_head_dim(text):
        facts["head_dim"] = hidden // heads if hidden % heads == 0 else None
    if not facts["num_experts"]:
        facts["num_experts"] = None
    return facts


def _has_own_head_dim(text: Mapping[str, Any]) -> bool:
    """Where a head is not hidden_size / heads wide: latent attention, and gemma's default."""
    return "kv_lora_rank" in text or str(text.get("model_type", "")).startswith("gemma")


def _tied(config: Mapping[str, Any], text: Mapping[str, Any], model_type: str) -> bool | None:
    if model_type in _ALWAYS_TIED:
        return True
    for source in (text, config):
        if isinstance(value := source.get("tie_word_embeddings"), bool):
            return value
    return None


def _dtype(config: Mapping[str, Any], text: Mapping[str, Any]) -> str | None:
    for source in (text, config):
        for key in ("dtype", "torch_dtype"):
            if isinstance(value := source.get(key), str):
                return value.removeprefix("torch.")
    return None


def _counted(spec: ModelSpec, tensors: Mapping[str, Tensor]) -> ModelSpec:
    """``spec`` with what the headers say: they are what will be loaded, so they win."""
    kept = language_model(tensors, spec.num_hidden_layers)
    head = next((n for n in kept if n.endswith("lm_head.weight")), None)
    tied = spec.tie_word_embeddings
    if head is None:
        tied = True if tied is None else tied
    elif tied:
        kept = {n: t for n, t in kept.items() if ".lm_head." not in f".{n}"}
    else:
        tied = False
    quantization = spec.quantization
    return replace(
        _with_shapes(spec, kept),
        num_hidden_layers=spec.num_hidden_layers or number_of_blocks(kept),
        tie_word_embeddings=tied,
        dtype=_float_dtype(kept) or spec.dtype,
        parameters=parameters.count(kept, quantization),
        weight_bytes=sum(t.size_bytes for t in kept.values()),
        counted=True,
    )


def _with_shapes(spec: ModelSpec, tensors: Mapping[str, Tensor]) -> ModelSpec:
    """Heads and vocabulary from the tensors, where the config leaves them to defaults."""
    embedding = _rows(tensors, "embed_tokens.weight")
    queries, keys = _rows(tensors, "q_proj.weight"), _rows(tensors, "k_proj.weight")
    norm, head_dim = _rows(tensors, "q_norm.weight"), spec.head_dim
    if head_dim is None and norm and queries and norm < queries:
        head_dim = norm  # one norm for each head
    heads, kv_heads = spec.num_attention_heads, spec.num_key_value_heads
    return replace(
        spec,
        vocab_size=spec.vocab_size or embedding,
        head_dim=head_dim,
        num_attention_heads=heads or (queries // head_dim if queries and head_dim else None),
        num_key_value_heads=kv_heads or (keys // head_dim if keys and head_dim else None),
    )


def _rows(tensors: Mapping[str, Tensor], ending: str) -> int | None:
    return next((t.shape[0] for n, t in tensors.items() if n.endswith(ending) and t.shape), None)


def _float_dtype(tensors: Mapping[str, Tensor]) -> str | None:
    """The floating-point type most weights are kept in (of the scales, when quantized)."""
    sizes: dict[str, int] = {}
    for tensor in tensors.values():
        if name := FLOAT_NAMES.get(tensor.dtype):
            sizes[name] = sizes.get(name, 0) + tensor.size_bytes
    return max(sizes, key=lambda name: sizes[name], default=None)
