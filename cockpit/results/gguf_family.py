"""For which models a GGUF can be written here, and why not for the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cockpit.errors import CockpitError
from cockpit.results import gguf_vocabulary

# What mlx-lm's writer knows; all three are GGUF's architecture "llama".
FAMILIES = ("llama", "mistral", "mixtral")
ROPE_SCALINGS = frozenset({"default", "linear", "llama3"})


def check(config: dict[str, Any], folder: Path, *, dequantize: bool) -> None:
    """Raises CockpitError if the model of ``config`` has no GGUF; reads its tokenizer.json."""
    if (family := config.get("model_type")) not in FAMILIES:
        raise refused(f"mlx-lm writes GGUF for {', '.join(FAMILIES)}, and this is {family!r}")
    scaling = rope_scaling(config)
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind not in ROPE_SCALINGS:
        raise refused(f"its positions are scaled by {kind!r}, which would be lost")
    try:
        gguf_vocabulary.read(folder, int(config["vocab_size"]))
    except gguf_vocabulary.Unknown as error:
        raise refused(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise refused("its config.json names no vocab_size") from error
    if not dequantize and (config.get("quantization") or config.get("quantization_config")):
        raise CockpitError(
            "A GGUF is made from unpacked weights",
            f"{folder}: its weights are quantized",
            "Add --dequantize; llama.cpp's llama-quantize packs the GGUF afterwards.",
        )


def refused(because: str) -> CockpitError:
    """The message for a model that cannot be written, with the way that is left."""
    return CockpitError(
        "No GGUF for this model",
        f"not for this family, because {because}",
        "Leave --gguf out and use llama.cpp's convert_hf_to_gguf.py on the fused folder "
        "(made with --dequantize if the model is quantized).",
        exit_code=1,
    )


def rope_scaling(config: dict[str, Any]) -> dict[str, Any]:
    """Under the name of old configurations or of new ones; empty without any."""
    found = config.get("rope_scaling") or config.get("rope_parameters") or {}
    return found if isinstance(found, dict) else {}


def rope_theta(config: dict[str, Any]) -> float:
    nested = config.get("rope_parameters")
    theta = config.get("rope_theta")
    if theta is None and isinstance(nested, dict):
        theta = nested.get("rope_theta")
    return 10000.0 if theta is None else float(theta)
