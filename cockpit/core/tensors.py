"""What a safetensors header says of each tensor: enough to count, nothing to load."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

DTYPE_BITS: dict[str, int] = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
}
FLOAT_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}

# Parts beside the language model, which mlx-lm's `sanitize` drops before it trains.
_OTHER_TOWERS = frozenset(
    {
        "vision_tower",
        "vision_model",
        "vision_encoder",
        "visual",
        "multi_modal_projector",
        "mm_projector",
        "patch_merger",
        "audio_tower",
        "embed_vision",
        "embed_audio",
        "mtp",
    }
)
_BLOCK = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.(.+)$")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry of a header: ``dtype`` in safetensors' words (``BF16``, ``U32``)."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.size * DTYPE_BITS.get(self.dtype, 8) // 8


def block_of(name: str) -> tuple[int, str] | None:
    """``model.layers.3.mlp.up_proj.weight`` -> (3, ``mlp.up_proj.weight``); None outside."""
    found = _BLOCK.search(name)
    return (int(found[1]), found[2]) if found else None


def language_model(
    tensors: Mapping[str, Tensor], num_hidden_layers: int | None
) -> dict[str, Tensor]:
    """The tensors that mlx-lm keeps: no vision or audio tower, no prediction head beyond the
    last layer, no cached rotary frequencies."""
    return {n: t for n, t in tensors.items() if _kept(n, num_hidden_layers)}


def _kept(name: str, num_hidden_layers: int | None) -> bool:
    if not _OTHER_TOWERS.isdisjoint(name.split(".")) or name.endswith("rotary_emb.inv_freq"):
        return False
    place = block_of(name)
    return place is None or num_hidden_layers is None or place[0] < num_hidden_layers


def number_of_blocks(names: Iterable[str]) -> int | None:
    """Blocks counted in the names; None when there is none."""
    places = [place[0] for name in names if (place := block_of(name))]
    return max(places) + 1 if places else None
