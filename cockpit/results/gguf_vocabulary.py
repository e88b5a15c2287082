"""A tokenizer.json in GGUF's words: tokens, types, merges, and how text is cut up before them.

mlx-lm writes every vocabulary as SentencePiece's. A byte-level one read as that gives other
tokens, or none, so it is described as what it is; one that GGUF has no name for is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")


class Unknown(Exception):
    """GGUF has no words for this tokenizer; the text says what it is."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """``model`` and ``pre`` are GGUF's names. ``merges`` are BPE's.

    ``scores`` are SentencePiece's, and so is ``space_prefix``: whether text gets one in front.
    """

    model: str
    pre: str | None
    tokens: list[str]
    types: list[int]
    merges: list[str] | None = None
    scores: list[float] | None = None
    space_prefix: bool | None = None


def read(folder: Path, size: int) -> Vocabulary:
    """The vocabulary of ``folder/tokenizer.json``, filled up to ``size`` rows of the embedding.

    Raises Unknown for one that cannot be told in GGUF's words.
    """
    try:
        document = json.loads((folder / "tokenizer.json").read_bytes())
    except (OSError, ValueError) as error:
        raise Unknown("there is no tokenizer.json that can be read") from error
    model = document.get("model") or {}
    if model.get("type") != "BPE":
        raise Unknown(f"its tokenizer is of the type {model.get('type')}")
    merges = [" ".join(m) if isinstance(m, list) else m for m in model.get("merges", [])]
    pieces = _steps(document.get("pre_tokenizer"), "pretokenizers")
    bytewise = any(piece["type"] == "ByteLevel" for piece in pieces)
    if bytewise:
        pre: str | None = _pre(document, pieces)
    elif model.get("byte_fallback"):
        pre = None
    else:
        raise Unknown("its tokenizer is neither byte-level nor one with bytes to fall back to")
    tokens, types = _tokens(document, model, size, bytewise=bytewise)
    if bytewise:
        return Vocabulary("gpt2", pre, tokens, types, merges=merges)
    return Vocabulary(
        "llama",
        None,
        tokens,
        types,
        scores=_scores(tokens, merges),
        space_prefix=_space_prefix(pieces, _steps(document.get("normalizer"), "normalizers")),
    )


def _steps(found: dict[str, Any] | None, parts: str) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, one after the other."""
    if not found:
        return []
    if found.get("type") == "Sequence":
        return [step for part in found[parts] for step in _steps(part, parts)]
    return [found]


def _space_prefix(pieces: list[dict[str, Any]], normalizer: list[dict[str, Any]]) -> bool:
    prepends = any(step["type"] == "Prepend" for step in normalizer)
    spaces = [piece for piece in pieces if piece["type"] == "Metaspace"]
    return prepends or any(piece.get("prepend_scheme", "always") != "never" for piece in spaces)


def _pre(document: dict[str, Any], pieces: list[dict[str, Any]]) -> str:
    """GGUF's name of the pre-tokenizer; a wrong one would cut numbers and spaces differently."""
    if document.get("normalizer"):
        raise Unknown("its tokenizer changes text before it cuts it up")
    last = pieces[-1]
    plain = last["type"] == "ByteLevel" and not last.get("add_prefix_space")
    regex = bool(last.get("use_regex", True))
    if plain and regex and len(pieces) == 1:
        return "gpt-2"
    first = pieces[0]
    if plain and len(pieces) == 2:
        if regex and first["type"] == "Digits" and first.get("individual_digits"):
            return "smollm"
        pattern = (first.get("pattern") or {}).get("Regex")
        if not regex and first["type"] == "Split" and pattern == _LLAMA3:
            return "llama-bpe"
    raise Unknown("its tokenizer cuts text up in a way that has no name known here")


def _tokens(
    document: dict[str, Any], model: dict[str, Any], size: int, *, bytewise: bool
) -> tuple[list[str], list[int]]:
    """By number; numbers that no token has are filled, as every row of the embedding needs one."""
    found = {int(number): token for token, number in model.get("vocab", {}).items()}
    kinds = dict.fromkeys(found, NORMAL)
    if not bytewise:
        kinds |= {number: BYTE for number, token in found.items() if _BYTE.fullmatch(token)}
    for added in document.get("added_tokens", []):
        number = int(added["id"])
        found[number] = str(added["content"])
        kinds[number] = CONTROL if added.get("special") else USER_DEFINED
    unknown = model.get("unk_token")
    if not bytewise and unknown in model.get("vocab", {}):
        kinds[int(model["vocab"][unknown])] = UNKNOWN
    if max(found, default=-1) >= size:
        raise Unknown(f"its tokenizer has more tokens than the {size:,} rows of its embedding")
    tokens = [found.get(number, f"[PAD{number}]") for number in range(size)]
    return tokens, [kinds.get(number, UNUSED) for number in range(size)]


def _scores(tokens: list[str], merges: list[str]) -> list[float]:
    """SentencePiece joins what scores highest first: the order of the merges, as scores."""
    order: dict[str, float] = {}
    for place, merge in enumerate(merges):
        order.setdefault(merge.replace(" ", "", 1), -float(place))
    lowest = -float(len(merges))
    return [order.get(token, lowest) for token in tokens]
