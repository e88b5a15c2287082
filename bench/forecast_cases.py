"""The plans that bench/forecast.py measures: real architectures, scaled down to train in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cockpit.core.plan import RunPlan

Config = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One plan on one model. ``lengths`` are tokens of examples, all ``tokens`` without them."""

    name: str
    config: Config
    batch: int = 2
    tokens: int = 128
    plan: dict[str, Any] = field(default_factory=dict)
    lengths: list[int] | None = None
    updates: int = 2
    keep_precision: bool = False

    @property
    def vocabulary(self) -> int:
        return int((self.config.get("text_config") or self.config)["vocab_size"])

    def example_lengths(self) -> list[int]:
        return self.lengths or [self.tokens + 1] * self.batch

    def shapes(self) -> list[tuple[int, int]]:
        """The micro-batches of one update."""
        steps = int(self.plan.get("grad_accumulation_steps", 1))
        return [(self.batch, self.tokens + 1)] * steps

    def valid_shape(self) -> tuple[int, int]:
        return (self.batch, self.tokens + 1)


def plan_of(case: Case) -> RunPlan:
    return RunPlan.model_validate(
        {
            "model": "measured",
            "data": "measured",
            "num_layers": -1,
            "batch_size": case.batch,
            "max_seq_length": case.tokens + 1,
            **case.plan,
        }
    )


def llama(hidden: int = 256, layers: int = 4, vocabulary: int = 32_000, **more: Any) -> Config:
    return {
        "model_type": "llama",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "intermediate_size": hidden * 3,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "rms_norm_eps": 1e-5,
        "vocab_size": vocabulary,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        **more,
    }
