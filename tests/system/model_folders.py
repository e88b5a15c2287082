"""Model folders as tests need them: real safetensors headers, a small Llama's shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
}
_BLOCK = {
    "self_attn.q_proj": (64, 64),
    "self_attn.k_proj": (32, 64),
    "self_attn.v_proj": (32, 64),
    "self_attn.o_proj": (64, 64),
    "mlp.gate_proj": (128, 64),
    "mlp.up_proj": (128, 64),
    "mlp.down_proj": (64, 128),
    "input_layernorm": (64,),
    "post_attention_layernorm": (64,),
}


def llama_shapes() -> dict[str, tuple[int, ...]]:
    shapes = {
        f"model.layers.{block}.{name}.weight": shape
        for block in range(4)
        for name, shape in _BLOCK.items()
    }
    return shapes | {"model.embed_tokens.weight": (256, 64), "model.norm.weight": (64,)}


def write_safetensors(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """float32 zeros, as a sparse file."""
    header: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    end = 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


def write_model(folder: Path, *, shards: int = 1, **config: Any) -> Path:
    """A whole model folder; ``config`` overrides fields of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(LLAMA | config))
    (folder / "tokenizer.json").write_text("{}")
    shapes = llama_shapes()
    if shards == 1:
        write_safetensors(folder / "model.safetensors", shapes)
        return folder
    names = [f"model-{n + 1:05d}-of-{shards:05d}.safetensors" for n in range(shards)]
    places = {name: names[i % shards] for i, name in enumerate(shapes)}
    for file in names:
        held = {name: shape for name, shape in shapes.items() if places[name] == file}
        write_safetensors(folder / file, held)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


def write_cached(cache: Path, name: str, revision: str = "abc123", **config: Any) -> Path:
    """A model as huggingface_hub keeps it: blobs, and links to them in a snapshot."""
    home = cache / f"models--{name.replace('/', '--')}"
    snapshot = home / "snapshots" / revision
    write_model(snapshot, **config)
    (home / "blobs").mkdir(exist_ok=True)
    for number, path in enumerate(sorted(snapshot.iterdir())):
        blob = home / "blobs" / f"{revision}-{number}"
        path.rename(blob)
        path.symlink_to(Path("../../blobs") / blob.name)
    (home / "refs").mkdir(exist_ok=True)
    (home / "refs" / "main").write_text(revision)
    return snapshot
