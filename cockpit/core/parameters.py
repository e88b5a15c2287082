"""How many parameters a model has: counted in headers, or from its config by formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cockpit.core.quantization import Quantization
from cockpit.core.tensors import DTYPE_BITS, Tensor

_DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

# Tensors that say how others are packed.
_PACKING = (
    ".scales",
    ".qzeros",
    ".g_idx",
    "_scales",
    "_scale",
    "_scale_inv",
    ".weight_shape",
    "_scale_2",
    "_zero_point",
)
_PACKED = (".qweight", ".weight_packed", "_blocks")


def count(tensors: Mapping[str, Tensor], quantization: Quantization | None) -> int:
    """Parameters in ``tensors``, packed ones unpacked."""
    return sum(_parameters(name, tensor, tensors, quantization) for name, tensor in tensors.items())


def _parameters(
    name: str, tensor: Tensor, tensors: Mapping[str, Tensor], quantization: Quantization | None
) -> int:
    path, _, leaf = name.rpartition(".")
    scales = tensors.get(f"{path}.scales")
    if name.endswith(_PACKING) or (leaf == "biases" and scales is not None):
        return 0
    if leaf == "weight" and scales is not None and tensor.dtype == "U32":
        setting = quantization.of(path) if quantization else None
        if setting is not None:
            return tensor.size * 32 // setting.bits
        return scales.size * 64
    if name.endswith(_PACKED):
        bits = quantization.bits if quantization else 4
        return tensor.size * DTYPE_BITS.get(tensor.dtype, 8) // bits
    return tensor.size


@dataclass(frozen=True, slots=True)
class Count:
    """Parameters of matrices, which quantization packs, and of everything else."""

    matrices: int
    vectors: int

    @property
    def total(self) -> int:
        return self.matrices + self.vectors

    def size_bytes(self, dtype: str | None, quantization: Quantization | None) -> int | None:
        """Bytes of the weights; None if the type of number is unknown."""
        each = _DTYPE_BYTES.get(dtype or "")
        if quantization is not None:
            return round(self.matrices * quantization.bits_per_weight / 8) + self.vectors * (
                each or 2
            )
        return None if each is None else self.total * each


def estimate(
    config: Mapping[str, Any],
    hidden_size: int | None,
    vocab_size: int | None,
    tie_word_embeddings: bool | None,
) -> Count | None:
    """By the architecture's formula; None if it has none here or a fact is missing.

    ``config`` is the language model's own part of config.json.
    """
    formula = _BLOCKS.get(str(config.get("model_type")))
    if formula is None or tie_word_embeddings is None or not hidden_size or not vocab_size:
        return None
    try:
        block = formula(config)
        layers = int(config["num_hidden_layers"])
    except (KeyError, TypeError, ValueError):
        return None
    embeddings = vocab_size * hidden_size * (1 if tie_word_embeddings else 2)
    return Count(block.matrices * layers + embeddings, block.vectors * layers + hidden_size)


def has_formula(model_type: str) -> bool:
    """Whether mlx-lm's names of this architecture's layers are those of the original too."""
    return model_type in _BLOCKS


def _attention(c: Mapping[str, Any]) -> tuple[int, int, int]:
    """Elements of the four matrices, and the widths of queries and of keys."""
    hidden, heads = int(c["hidden_size"]), int(c["num_attention_heads"])
    head_dim = int(c.get("head_dim") or hidden // heads)
    kv_heads = int(c.get("num_key_value_heads") or heads)
    queries, keys = heads * head_dim, kv_heads * head_dim
    return hidden * (2 * queries + 2 * keys), queries, keys


def _gated_mlp(c: Mapping[str, Any], width: str = "intermediate_size") -> int:
    return 3 * int(c["hidden_size"]) * int(c[width])


def _llama(c: Mapping[str, Any]) -> Count:
    hidden = int(c["hidden_size"])
    attention, queries, keys = _attention(c)
    vectors = 2 * hidden
    if c.get("attention_bias"):
        vectors += queries + 2 * keys + hidden
    if c.get("mlp_bias"):
        vectors += 2 * int(c["intermediate_size"]) + hidden
    return Count(attention + _gated_mlp(c), vectors)


def _plain(c: Mapping[str, Any]) -> Count:
    attention, _, _ = _attention(c)
    return Count(attention + _gated_mlp(c), 2 * int(c["hidden_size"]))


def _qwen2(c: Mapping[str, Any]) -> Count:
    attention, queries, keys = _attention(c)
    return Count(attention + _gated_mlp(c), 2 * int(c["hidden_size"]) + queries + 2 * keys)


def _qwen3(c: Mapping[str, Any]) -> Count:
    plain = _plain(c)
    return Count(plain.matrices, plain.vectors + 2 * int(c["head_dim"]))


def _gemma2(c: Mapping[str, Any]) -> Count:
    attention, _, _ = _attention(c)
    return Count(attention + _gated_mlp(c), 4 * int(c["hidden_size"]))


def _gemma3(c: Mapping[str, Any]) -> Count:
    plain = _gemma2(c)
    return Count(plain.matrices, plain.vectors + 2 * int(c["head_dim"]))


def _mixtral(c: Mapping[str, Any]) -> Count:
    attention, _, _ = _attention(c)
    experts, hidden = int(c["num_local_experts"]), int(c["hidden_size"])
    return Count(attention + experts * (_gated_mlp(c) + hidden), 2 * hidden)


def _qwen3_moe(c: Mapping[str, Any]) -> Count:
    if c.get("mlp_only_layers") or int(c.get("decoder_sparse_step", 1)) != 1:
        raise ValueError("blocks differ")
    attention, _, _ = _attention(c)
    experts, hidden = int(c["num_experts"]), int(c["hidden_size"])
    matrices = attention + experts * (_gated_mlp(c, "moe_intermediate_size") + hidden)
    return Count(matrices, 2 * hidden + 2 * int(c["head_dim"]))


_BLOCKS: dict[str, Callable[[Mapping[str, Any]], Count]] = {
    "llama": _llama,
    "mistral": _llama,
    "granite": _llama,
    "smollm3": _llama,
    "phi3": _plain,
    "gemma": _plain,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma2": _gemma2,
    "gemma3_text": _gemma3,
    "mixtral": _mixtral,
    "qwen3_moe": _qwen3_moe,
}
