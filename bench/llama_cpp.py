"""GGUFs of small random models read by llama.cpp itself: the same tokens, the same logits?

    pip install cyllama && python bench/llama_cpp.py [--json OUT] [FUSED_FOLDER ...]

``cyllama`` is a binding of llama.cpp with prebuilt wheels; the cockpit does not need it. Folders
that ``cockpit fuse --gguf`` wrote are measured as well.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import numpy as np
from mlx.utils import tree_flatten, tree_map
from mlx_lm import utils as mlx_lm_utils

from cockpit.embedded import demo_data_path, nano_path
from cockpit.results import gguf, gguf_family

TEXTS = (
    "What colour is the sky?",
    "It costs 12345 dollars,  and\n\nthree   spaces don't matter: café naïve 日本 \t tab",
    "Hello world!! I'm here, you'll see 3.14",
    " leading space",
    "x=1;\nfor i in range(10):\n    print(i)",
)
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "vocab_size": 1024,
    "tie_word_embeddings": False,
    "max_position_embeddings": 4096,
    "eos_token_id": 1,
    "rope_theta": 500000.0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
TWINS: dict[str, dict[str, Any]] = {
    "grouped queries": {},
    "llama 3 scaling, tied": {"head_dim": 64, "tie_word_embeddings": True, "rope_scaling": LLAMA3},
    "linear scaling": {"rope_scaling": {"type": "linear", "factor": 4.0}},
    "mixtral": {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2},
    "mistral, wide heads": {"model_type": "mistral", "head_dim": 32},
    "padded vocabulary": {"vocab_size": 1088},
    "SentencePiece": {"vocab_size": 832, "eos_token_id": 2},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, changes in TWINS.items():
            folder = make(Path(temporary) / name.replace(" ", "-"), LLAMA | changes)
            rows.append({"model": name} | measure(folder))
        rows += [{"model": folder.name} | measure(folder) for folder in arguments.folders]
    print(f"{'MODEL':<24} {'TOKENS':>8} {'SAME TEXTS':>10} {'DIVERGENCE':>11} {'SAME CHOICE':>12}")
    for row in rows:
        print(
            f"{row['model']:<24} {row['tokens']:>8} {row['same_tokens']:>7.0%} "
            f"{row['divergence']:>14.2g} {row['same_choice']:>12.0%}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    good = all(row["same_tokens"] == 1 and row["divergence"] < 1e-3 for row in rows)
    return 0 if good else 1


def make(folder: Path, config: dict[str, Any]) -> Path:
    """A random model of ``config`` with its GGUF."""
    shutil.copytree(nano_path(), folder, ignore=shutil.ignore_patterns("model*", "config.json"))
    if folder.name == "SentencePiece":
        write_sentencepiece(folder)
    (folder / "config.json").write_text(json.dumps(config))
    model_class, settings = mlx_lm_utils._get_classes(config)
    mx.random.seed(3)
    model = model_class(settings.from_dict(config))
    weights = tree_map(
        lambda value: mx.random.normal(value.shape) * 0.3 + (value.ndim == 1), model.parameters()
    )
    named = dict(tree_flatten(weights))
    mx.save_safetensors(str(folder / "model.safetensors"), named, {"format": "mlx"})
    model, tokenizer, config = mlx_lm.load(str(folder), return_config=True)
    gguf_family.check(config, folder, dequantize=False)
    named = dict(tree_flatten(model.parameters()))
    gguf.write(folder / "m.gguf", folder, named, config, tokenizer, folder.name)
    return folder


def write_sentencepiece(folder: Path) -> None:
    """A tokenizer like Llama 2's: spaces are letters, and unknown letters are bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = (demo_data_path() / "train.jsonl").read_text().split()
    trainer = trainers.BpeTrainer(vocab_size=800, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(words, trainer)
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = [token for token in document["added_tokens"] if token["id"] < 3]
    (folder / "tokenizer.json").write_text(json.dumps(document))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": "<s>",
                "eos_token": "</s>",
                "unk_token": "<unk>",
            }
        )
    )


def measure(folder: Path) -> dict[str, Any]:
    """llama.cpp's tokens and next-token logits beside MLX's, over the texts."""
    from cyllama.llama import llama_cpp

    class Model(llama_cpp.LlamaModel):
        """With the attribute that the binding's own context asks of it."""

        n_vocab = property(lambda self: self.get_vocab().n_vocab)

    llama_cpp.disable_logging()
    (path,) = folder.glob("*.gguf")
    theirs = Model(str(path), llama_cpp.LlamaModelParams(), False)
    mine, tokenizer = mlx_lm.load(str(folder))
    same_tokens, divergences, choices, count = [], [], [], 0
    for text in TEXTS:
        tokens = tokenizer.encode(text, add_special_tokens=False)
        same_tokens.append(list(theirs.get_vocab().tokenize(text, False, True)) == tokens)
        context = llama_cpp.LlamaContext(theirs, llama_cpp.LlamaContextParams(), False)
        context.decode(llama_cpp.llama_batch_get_one(tokens))
        got = _log_chances(np.array(context.get_logits_ith(-1)))
        wanted = _log_chances(np.array(mine(mx.array([tokens]))[0, -1].astype(mx.float32)))
        divergences.append(float((np.exp(wanted) * (wanted - got)).sum()))
        choices.append(bool(got.argmax() == wanted.argmax()))
        count += len(tokens)
    return {
        "tokens": count,
        "same_tokens": sum(same_tokens) / len(TEXTS),
        "divergence": max(divergences),
        "same_choice": sum(choices) / len(TEXTS),
    }


def _log_chances(logits: Any) -> Any:
    return logits - np.logaddexp.reduce(logits)


if __name__ == "__main__":
    sys.exit(main())
