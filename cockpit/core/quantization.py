"""How a model's weights are packed, as its config.json says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Settings that a quant_method of another tool implies (mlx-lm's `load_model` maps them so).
_IMPLIED: dict[str, tuple[int, int, str]] = {
    "mxfp4": (4, 32, "mxfp4"),
    "mxfp8": (8, 32, "mxfp8"),
    "gptq": (4, 128, "affine"),
    "awq": (4, 128, "affine"),
}
_PACKED: dict[str, tuple[int, int, str]] = {
    "nvfp4-pack-quantized": (4, 16, "nvfp4"),
    "mxfp4-pack-quantized": (4, 32, "mxfp4"),
    "pack-quantized": (4, 32, "affine"),
}


@dataclass(frozen=True, slots=True)
class Quantization:
    """``bits`` a weight in groups of ``group_size``; ``overrides`` names layers that differ.

    An override of None is a layer that is not quantized.
    """

    bits: int
    group_size: int
    mode: str = "affine"
    overrides: Mapping[str, Quantization | None] = field(default_factory=dict)

    def of(self, path: str) -> Quantization | None:
        """The setting of one layer, by its path in the model."""
        return self.overrides.get(path, self)

    @property
    def bits_per_weight(self) -> float:
        """Scales and, where the mode has them, biases included."""
        extra = {"affine": 32, "nvfp4": 8, "mxfp4": 8, "mxfp8": 8}.get(self.mode, 32)
        return self.bits + extra / self.group_size


def parse_quantization(*configs: Mapping[str, Any]) -> Quantization | None:
    """From ``quantization`` (mlx-lm) or ``quantization_config`` (others); None if unpacked."""
    for key in ("quantization", "quantization_config"):
        for config in configs:
            if isinstance(found := config.get(key), Mapping) and (parsed := _parse(found)):
                return parsed
    return None


def _parse(found: Mapping[str, Any]) -> Quantization | None:
    method = str(found.get("quant_method", ""))
    implied = _IMPLIED.get(method) or _PACKED.get(str(found.get("format", "")))
    bits, group_size = found.get("bits"), found.get("group_size")
    if implied:
        bits, group_size = bits or implied[0], group_size or implied[1]
    if not isinstance(bits, int) or not isinstance(group_size, int) or group_size < 1:
        return None
    mode = str(found.get("mode") or (implied[2] if implied else "affine"))
    overrides: dict[str, Quantization | None] = {}
    for path, setting in found.items():
        if setting is False:
            overrides[path] = None
        elif isinstance(setting, Mapping) and "bits" in setting:
            overrides[path] = Quantization(
                int(setting["bits"]),
                int(setting.get("group_size", group_size)),
                str(setting.get("mode", "affine")),
            )
    return Quantization(bits, group_size, mode, overrides)
