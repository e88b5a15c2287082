"""What a failure of a stage means for whoever wants to fine-tune the model."""

from __future__ import annotations

import re

from cockpit.check.stages import Stage

# The first pattern that is found in the error decides.
_KNOWN: tuple[tuple[str, str], ...] = (
    (
        r"Model type .* not supported|does not know",
        "The installed mlx-lm has no such architecture: a newer one may.",
    ),
    (
        r"Can't convert layer|cannot take \w+ adapters|has no attribute 'weight'",
        "A layer that mlx-lm picks for adapters cannot carry one: name the others with "
        "lora_parameters.keys.",
    ),
    (
        r"malloc|[Oo]ut of memory|Insufficient Memory|SIGKILL",
        "It ran out of memory: this says nothing of the family, only of this model's size here.",
    ),
    (
        r"SIGSEGV|SIGABRT|SIGBUS",
        "The process crashed inside MLX: a fault of the library, or memory that ran out.",
    ),
    (
        r"Received \d+ parameters not in model|Missing \d+ parameters|Expected shape",
        "What was written is not what mlx-lm's model of this family reads back.",
    ),
    (
        r"(?i)not (yet )?implemented|no vjp|does not support (vjp|gradient)",
        "MLX has no gradient, or mlx-lm no code, for an operation that this family needs.",
    ),
    (
        r"is not defined|ImportError|ModuleNotFoundError|No module named",
        "A fault of the cockpit or of how it was installed: no verdict on the model.",
    ),
    (r"did not answer in", "It took too long. That is not a verdict: the machine may be busy."),
)
_OF_STAGE: dict[Stage, str] = {
    "load": "mlx-lm cannot load it, so nothing else can be done with it here.",
    "train": "It cannot be fine-tuned on these versions.",
    "resume": "It trains, but an interrupted run cannot be continued: let it run in one go.",
    "fuse": "It trains, but the adapter cannot be merged: use it with --adapter-path.",
    "reload": "It fuses, but the fused model does not load: use the adapter with --adapter-path.",
    "generate": "The fused model loads and cannot answer.",
    "dequantize": "The fused model has to stay packed, so it cannot be exported from here.",
    "export": "The GGUF is not one that others can read: keep the model in MLX format.",
}


def meaning(stage: Stage, error: str) -> str:
    """One sentence: what follows from the failure."""
    for pattern, words in _KNOWN:
        if re.search(pattern, error):
            return words
    return _OF_STAGE[stage]
