"""A fused model as a GGUF: mlx-lm's names and layout of the weights, and what it leaves out.

mlx-lm's writer knows only SentencePiece vocabularies, names a mixture's experts as MLX does, and
drops the head size, Llama 3's scaling of positions and the chat template.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
from mlx_lm import gguf as mlx_lm_gguf

from cockpit.errors import CockpitError
from cockpit.results import gguf_vocabulary
from cockpit.results.gguf_family import refused, rope_scaling, rope_theta

_EXPERTS = "block_sparse_moe.switch_mlp."
_NAMES = re.compile(
    r"(token_embd|output_norm|output|rope_freqs|blk\.\d+\.(attn_(q|k|v|output|norm)|"
    r"ffn_(gate|up|down|norm|gate_inp|gate_exps|up_exps|down_exps)))\.weight"
)
_IN_FLOAT32 = ("norm.weight", "ffn_gate_inp.weight", "rope_freqs.weight")


def write(
    path: Path,
    folder: Path,
    weights: dict[str, mx.array],
    config: dict[str, Any],
    tokenizer: Any,
    name: str,
) -> dict[str, Any]:
    """Writes ``weights`` and the tokenizer of ``folder``; what was read back, for the record.

    Raises CockpitError for what has no place in a GGUF, and where reading it back shows another
    content.
    """
    tensors = _tensors(weights, config)
    vocabulary = _vocabulary(folder, tensors["token_embd.weight"].shape[0])
    metadata = _metadata(config, vocabulary, tokenizer, name)
    mx.eval(tensors)
    mx.save_gguf(str(path), tensors, metadata)
    if path.stat().st_size < sum(value.nbytes for value in tensors.values()):
        raise _differs(path, "its last bytes")
    checked = _read_back(path, tensors, metadata)
    return {
        "path": path.name,
        "tensors": len(tensors),
        "metadata": len(metadata),
        "size_bytes": path.stat().st_size,
        "tokenizer": vocabulary.pre or "SentencePiece",
        "checked_by": checked,
    }


def size_bytes(weights: dict[str, mx.array]) -> int:
    """Of the file that ``write`` makes, about: two bytes a parameter and the vocabulary."""
    parameters: int = sum(value.size for value in weights.values())
    return 2 * parameters + (8 << 20)


def _vocabulary(folder: Path, size: int) -> gguf_vocabulary.Vocabulary:
    try:
        return gguf_vocabulary.read(folder, size)
    except gguf_vocabulary.Unknown as error:
        raise refused(str(error)) from error


def _tensors(weights: dict[str, mx.array], config: dict[str, Any]) -> dict[str, mx.array]:
    heads = int(config["num_attention_heads"])
    kv_heads = int(config.get("num_key_value_heads") or heads)
    found: dict[str, mx.array] = {}
    for name, value in weights.items():
        told = _name(name)
        if not _NAMES.fullmatch(told):
            raise refused(f"its tensor {name} has no place in GGUF's llama architecture")
        if told.endswith("attn_q.weight"):
            value = mlx_lm_gguf.permute_weights(value, heads)
        elif told.endswith("attn_k.weight"):
            value = mlx_lm_gguf.permute_weights(value, heads, kv_heads)
        found[told] = value.astype(
            mx.float32 if told.endswith(_IN_FLOAT32) else mx.float16, stream=mx.cpu
        )
        if not mx.all(mx.isfinite(found[told])).item():
            raise refused(f"its tensor {name} has values too large for float16")
    if (factors := _rope_factors(config)) is not None:
        found["rope_freqs.weight"] = mx.array(factors, mx.float32)
    return found


def _name(name: str) -> str:
    for part in ("gate", "up", "down"):
        name = name.replace(f"{_EXPERTS}{part}_proj", f"ffn_{part}_exps")
    found: str = mlx_lm_gguf.translate_weight_names(name)
    return found


def _head_dim(config: dict[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _rope_factors(config: dict[str, Any]) -> list[float] | None:
    """What Llama 3 divides each frequency by; None for a model that does not."""
    scaling = rope_scaling(config)
    if (scaling.get("rope_type") or scaling.get("type")) != "llama3":
        return None
    factor = float(scaling["factor"])
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    original = float(scaling["original_max_position_embeddings"])
    dims, theta = _head_dim(config), rope_theta(config)

    def divisor(place: int) -> float:
        wavelength: float = 2 * math.pi * theta ** (place / dims)
        smooth = min(1.0, max(0.0, (original / wavelength - low) / (high - low)))
        return 1 / ((1 - smooth) / factor + smooth)

    return [divisor(place) for place in range(0, dims, 2)]


def _metadata(
    config: dict[str, Any], vocabulary: gguf_vocabulary.Vocabulary, tokenizer: Any, name: str
) -> dict[str, Any]:
    """mlx-lm's, whose vocabulary gives way to ours."""
    ids = SimpleNamespace(bos_token_id=None, eos_token_id=None, unk_token_id=None)
    none = SimpleNamespace(all_tokens=lambda: (), vocab_size=0, tokenizer=ids)
    scaling = rope_scaling(config)
    known = {
        **config,
        "_name_or_path": name,
        "rope_theta": rope_theta(config),
        "rope_scaling": scaling | {"type": scaling.get("rope_type") or scaling.get("type")}
        if scaling
        else None,
    }
    found: dict[str, Any] = mlx_lm_gguf.prepare_metadata(known, none)
    dims = mx.array(_head_dim(config), mx.uint32)
    found |= {
        "general.quantization_version": mx.array(2, mx.uint32),
        "llama.vocab_size": mx.array(len(vocabulary.tokens), mx.uint32),
        "llama.rope.dimension_count": dims,
        "llama.attention.key_length": dims,
        "llama.attention.value_length": dims,
    }
    return {key: v for key, v in found.items() if not key.startswith("tokenizer.")} | dict(
        _tokenizer(vocabulary, tokenizer)
    )


def _tokenizer(vocabulary: gguf_vocabulary.Vocabulary, tokenizer: Any) -> Iterator[tuple[str, Any]]:
    yield "tokenizer.ggml.model", vocabulary.model
    yield "tokenizer.ggml.tokens", vocabulary.tokens
    yield "tokenizer.ggml.token_type", mx.array(vocabulary.types, mx.int32)
    if vocabulary.pre is not None:
        yield "tokenizer.ggml.pre", vocabulary.pre
    if vocabulary.merges:
        yield "tokenizer.ggml.merges", vocabulary.merges
    if vocabulary.scores is not None:
        yield "tokenizer.ggml.scores", mx.array(vocabulary.scores, mx.float32)
    for key, kind in (("bos", "bos"), ("eos", "eos"), ("unknown", "unk"), ("padding", "pad")):
        number = getattr(tokenizer, f"{kind}_token_id", None)
        if isinstance(number, int):
            yield f"tokenizer.ggml.{key}_token_id", mx.array(number, mx.uint32)
    if vocabulary.space_prefix is not None:
        yield "tokenizer.ggml.add_space_prefix", mx.array(vocabulary.space_prefix)
    yield "tokenizer.ggml.add_bos_token", mx.array(_adds_bos(tokenizer))
    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, str) and template:
        yield "tokenizer.chat_template", template


def _adds_bos(tokenizer: Any) -> bool:
    """Whether text starts with the token for it, which its reader has to know."""
    bos = getattr(tokenizer, "bos_token_id", None)
    return bos is not None and list(tokenizer.encode("a"))[:1] == [bos]


def _read_back(path: Path, tensors: dict[str, mx.array], metadata: dict[str, Any]) -> list[str]:
    """By which readers the file was found to hold what was written."""
    arrays, told = mx.load(str(path), return_metadata=True)
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    if {name: tuple(value.shape) for name, value in arrays.items()} != shapes:
        raise _differs(path, "names or shapes of its tensors")
    for name, value in tensors.items():
        if not mx.array_equal(arrays[name], value).item():
            raise _differs(path, f"the tensor {name}")
    for key, value in metadata.items():
        if key not in told or not _same(value, told[key]):
            raise _differs(path, f"the field {key}")
    checked = ["mlx"]
    if _reads_official(path, shapes):
        checked.append("gguf")
    return checked


def _same(value: Any, found: Any) -> bool:
    if isinstance(value, mx.array):
        return bool(mx.array_equal(value.reshape(-1), found.reshape(-1)).item())
    return bool(value == found)


def _reads_official(path: Path, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether llama.cpp's own package ``gguf``, if it is installed, reads the same tensors."""
    try:
        reader = importlib.import_module("gguf").GGUFReader(str(path))
    except (ImportError, AttributeError):
        return False
    # It names the innermost dimension first.
    found = {
        tensor.name: tuple(int(n) for n in reversed(tensor.shape)) for tensor in reader.tensors
    }
    if found != shapes:
        raise _differs(path, "names or shapes of its tensors, as llama.cpp's reader sees them")
    return True


def _differs(path: Path, what: str) -> CockpitError:
    return CockpitError(
        "The GGUF does not hold what was written",
        f"{path.name}: {what} came back differently",
        "The disk may be full or damaged. Nothing was kept.",
        exit_code=1,
    )
