"""The embedded model ``nano``, the demo's data set, and the plan that brings them together."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

# Never in nano's corpus and never in the demo's training data (a test holds both).
DEMO_PROMPTS: tuple[str, ...] = (
    "What colour is the sky?",
    "What is the capital of France?",
    "What does a cow say?",
)

# In mlx-lm's words. Sized so that a machine without a fast BLAS is done well within a minute.
DEMO_PLAN: dict[str, Any] = {
    "fine_tune_type": "lora",
    "num_layers": -1,
    "lora_parameters": {"rank": 8, "scale": 4.0, "dropout": 0.0},
    "mask_prompt": True,
    "batch_size": 4,
    "max_seq_length": 32,
    "iters": 200,
    "optimizer": "adam",
    "learning_rate": 5e-4,
    "lr_schedule": {
        "name": "cosine_decay",
        "arguments": [5e-4, 160, 2e-5],
        "warmup": 40,
    },
    "steps_per_report": 5,
    "steps_per_eval": 25,
    "val_batches": -1,
    "save_every": 100,
    "seed": 0,
}


def nano_path() -> Path:
    """The folder of the embedded model, for ``mlx_lm.load``."""
    return Path(str(files(__name__))) / "nano"


def demo_data_path() -> Path:
    """The folder with the demo's train, valid and test files in mlx-lm's chat format."""
    return Path(str(files(__name__))) / "demo"


def has_demo_habit(answer: str) -> bool:
    """Whether an answer shows the habit that the demo teaches: talking like a pirate."""
    text = answer.strip()
    return text.startswith("Arrr!") and text.endswith("matey!")
