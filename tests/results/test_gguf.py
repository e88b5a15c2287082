"""GGUFs for the families that have one: llama.cpp's names, shapes and vocabulary; others refused.

The same writer was compared with llama.cpp itself, whose logits agreed; see bench/llama_cpp.py.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten
from mlx_lm import utils as mlx_lm_utils

from cockpit.embedded import nano_path
from cockpit.errors import CockpitError
from cockpit.results import gguf, gguf_family, gguf_vocabulary

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "vocab_size": 1056,
    "tie_word_embeddings": False,
    "max_position_embeddings": 512,
    "rope_theta": 500000.0,
}


class Tokenizer:
    bos_token_id, eos_token_id, unk_token_id, pad_token_id = None, 1, None, 0
    chat_template = "{{ messages }}"

    def encode(self, text: str) -> list[int]:
        return [5]


def weights_of(config: dict[str, Any]) -> dict[str, mx.array]:
    model_class, arguments = mlx_lm_utils._get_classes(config)
    mx.random.seed(0)
    return dict(tree_flatten(model_class(arguments.from_dict(config)).parameters()))


def written(folder: Path, **changes: Any) -> tuple[dict[str, mx.array], dict[str, Any]]:
    config = LLAMA | changes
    path = folder / "m.gguf"
    gguf.write(path, nano_path(), weights_of(config), config, Tokenizer(), "m")
    arrays, metadata = mx.load(str(path), return_metadata=True)
    return arrays, metadata


def test_names_shapes_types_and_metadata_are_llama_cpp_s(tmp_path: Path) -> None:
    arrays, told = written(tmp_path, head_dim=16)
    block = ("attn_k", "attn_norm", "attn_output", "attn_q", "attn_v")
    block += ("ffn_down", "ffn_gate", "ffn_norm", "ffn_up")
    names = {f"blk.{i}.{name}.weight" for i in range(2) for name in block}
    assert set(arrays) == names | {"token_embd.weight", "output_norm.weight", "output.weight"}
    assert arrays["blk.0.attn_k.weight"].shape == (32, 32)
    assert arrays["blk.0.attn_q.weight"].dtype == mx.float16
    assert arrays["blk.0.attn_norm.weight"].dtype == mx.float32
    assert told["general.architecture"] == "llama"
    numbers = {
        "llama.attention.head_count_kv": 2,
        "llama.rope.dimension_count": 16,
        "llama.attention.key_length": 16,
        "llama.block_count": 2,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.padding_token_id": 0,
    }
    assert {key: told[key].item() for key in numbers} == numbers
    assert told["llama.rope.freq_base"].item() == 500000.0
    assert told["tokenizer.ggml.add_bos_token"].item() is False
    assert told["tokenizer.chat_template"] == "{{ messages }}"


def test_queries_and_keys_are_laid_out_for_llama_cpp_s_rotation(tmp_path: Path) -> None:
    """MLX turns the halves of a head, llama.cpp its neighbours: their rows are interleaved."""
    arrays, _ = written(tmp_path)
    weights = weights_of(LLAMA)
    for name, heads in (("q", 4), ("k", 2)):
        mine = weights[f"model.layers.1.self_attn.{name}_proj.weight"].reshape(heads, 8, 32)
        theirs = arrays[f"blk.1.attn_{name}.weight"].reshape(heads, 8, 32).astype(mx.float32)
        assert mx.allclose(theirs[:, 0::2], mine[:, :4], atol=1e-3)
        assert mx.allclose(theirs[:, 1::2], mine[:, 4:], atol=1e-3)


def test_a_vocabulary_is_byte_level_with_a_token_for_every_row(tmp_path: Path) -> None:
    _, told = written(tmp_path)
    assert (told["tokenizer.ggml.model"], told["tokenizer.ggml.pre"]) == ("gpt2", "gpt-2")
    tokens, types = told["tokenizer.ggml.tokens"], told["tokenizer.ggml.token_type"].tolist()
    assert len(tokens) == len(types) == 1056
    assert tokens[2] == "<|user|>" and types[2] == gguf_vocabulary.CONTROL
    assert tokens[1055] == "[PAD1055]" and types[1055] == gguf_vocabulary.UNUSED
    assert len(told["tokenizer.ggml.merges"]) == 763


def test_a_mixture_s_experts_are_stacked_under_their_own_names(tmp_path: Path) -> None:
    arrays, told = written(
        tmp_path, model_type="mixtral", num_local_experts=3, num_experts_per_tok=2
    )
    assert arrays["blk.0.ffn_gate_exps.weight"].shape == (3, 64, 32)
    assert arrays["blk.0.ffn_down_exps.weight"].shape == (3, 32, 64)
    assert arrays["blk.0.ffn_gate_inp.weight"].dtype == mx.float32
    assert told["llama.expert_count"].item() == 3


def test_llama_3_s_positions_are_scaled(tmp_path: Path) -> None:
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0}
    scaling |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    arrays, _ = written(tmp_path, head_dim=64, rope_scaling=scaling)
    factors = arrays["rope_freqs.weight"].tolist()
    assert len(factors) == 32 and factors[0] == 1.0 and factors[-1] == 8.0
    assert factors == sorted(factors) and any(1 < factor < 8 for factor in factors)
    # MLX's own, from the published formula: the frequencies that its module uses.
    from mlx_lm.models.rope_utils import Llama3RoPE

    plain = [500000.0 ** (place / 64) for place in range(0, 64, 2)]
    scaled = Llama3RoPE(64, 8192, False, 500000.0, scaling)._freqs.tolist()
    ratios = [s / p for s, p in zip(scaled, plain, strict=True)]
    assert all(math.isclose(r, f, rel_tol=1e-4) for r, f in zip(ratios, factors, strict=True))


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"model_type": "qwen2"}, "'qwen2'"),
        ({"model_type": "gemma3_text"}, "llama, mistral, mixtral"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2}}, "'yarn'"),
        ({"rope_parameters": {"rope_type": "longrope"}}, "'longrope'"),
        ({"vocab_size": 100}, "more tokens than the 100 rows"),
        ({"vocab_size": None}, "vocab_size"),
    ],
)
def test_other_families_are_refused_with_the_reason(change: dict[str, Any], because: str) -> None:
    with pytest.raises(CockpitError) as error:
        gguf_family.check(LLAMA | change, nano_path(), dequantize=True)
    assert "not for this family, because" in error.value.message
    assert because in error.value.message and error.value.exit_code == 1
    assert "convert_hf_to_gguf.py" in error.value.remedy


def test_packed_weights_need_unpacking_first() -> None:
    packed = LLAMA | {"quantization": {"bits": 4, "group_size": 32}}
    gguf_family.check(packed, nano_path(), dequantize=True)
    with pytest.raises(CockpitError, match="unpacked") as error:
        gguf_family.check(packed, nano_path(), dequantize=False)
    assert error.value.exit_code == 2


def test_a_tensor_without_a_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CockpitError, match="No GGUF") as error:
        written(tmp_path, attention_bias=True)
    assert "bias" in error.value.message


def tokenizer(folder: Path, **parts: Any) -> Path:
    document: dict[str, Any] = {
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "vocab": {"<unk>": 0, "<0x0A>": 1, "a": 2, "b": 3, "ab": 4, "aba": 5},
            "merges": [["a", "b"], ["ab", "a"]],
        },
        "added_tokens": [{"id": 6, "content": "<end>", "special": True}],
    }
    model = document["model"] | parts.pop("model", {})
    (folder / "tokenizer.json").write_text(json.dumps(document | {"model": model} | parts))
    return folder


DIGITS = {"type": "Digits", "individual_digits": True}
BYTES = {"type": "ByteLevel", "add_prefix_space": False}


@pytest.mark.parametrize(
    ("steps", "pre"),
    [
        ([BYTES], "gpt-2"),
        ([DIGITS, BYTES], "smollm"),
        (
            [
                {"type": "Split", "pattern": {"Regex": gguf_vocabulary._LLAMA3}},
                BYTES | {"use_regex": False},
            ],
            "llama-bpe",
        ),
    ],
)
def test_how_text_is_cut_up_has_a_name(tmp_path: Path, steps: list[Any], pre: str) -> None:
    folder = tokenizer(tmp_path, pre_tokenizer={"type": "Sequence", "pretokenizers": steps})
    found = gguf_vocabulary.read(folder, 8)
    assert (found.pre, found.merges, found.scores) == (pre, ["a b", "ab a"], None)


@pytest.mark.parametrize(
    "parts",
    [
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Punctuation"}, BYTES]}},
        {"pre_tokenizer": BYTES | {"add_prefix_space": True}},
        {"normalizer": {"type": "NFC"}},
        {"model": {"type": "Unigram"}},
        {"pre_tokenizer": {"type": "Whitespace"}},
    ],
)
def test_a_tokenizer_without_a_name_is_refused(tmp_path: Path, parts: dict[str, Any]) -> None:
    with pytest.raises(gguf_vocabulary.Unknown):
        gguf_vocabulary.read(tokenizer(tmp_path, **parts), 8)


@pytest.mark.parametrize("prepends", [True, False])
def test_sentencepiece_joins_in_the_order_of_the_merges(tmp_path: Path, prepends: bool) -> None:
    scheme = {"type": "Metaspace", "prepend_scheme": "always" if prepends else "never"}
    folder = tokenizer(tmp_path, pre_tokenizer=scheme, model={"byte_fallback": True})
    found = gguf_vocabulary.read(folder, 7)
    assert (found.model, found.merges, found.space_prefix) == ("llama", None, prepends)
    assert found.scores is not None
    assert found.scores[4] > found.scores[5] > found.scores[2]
    unknown, byte, *_, control = found.types
    assert (unknown, byte, control) == (2, 6, 3)
