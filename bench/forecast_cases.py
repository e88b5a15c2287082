"""The plans that bench/forecast.py measures."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, Literal

from forecast_architectures import ARCHITECTURES, Config, decoder, packed

from cockpit import catalogue
from cockpit.core.plan import RunPlan
from cockpit.embedded import nano_path
from cockpit.memory.lengths import Batches, of_data

Flavour = Literal["cockpit", "mlx_lm"]


@dataclass(frozen=True)
class Case:
    """One plan on one model, trained by one of the two loops.

    ``lengths`` are tokens of examples; without them every example is ``tokens`` + 1 long. Those
    validated on are the first ones, or are all ``valid_length`` long. ``folder`` holds the real
    weights; without one they are random.
    """

    name: str
    config: Config
    batch: int = 2
    tokens: int = 128
    plan: dict[str, Any] = field(default_factory=dict)
    lengths: list[int] | None = None
    flavour: Flavour = "cockpit"
    updates: int = 12
    valid_length: int | None = None
    folder: str | None = None

    @property
    def vocabulary(self) -> int:
        return int((self.config.get("text_config") or self.config)["vocab_size"])

    @property
    def run_plan(self) -> RunPlan:
        steps = int(self.plan.get("grad_accumulation_steps", 1))
        return RunPlan.model_validate(
            {
                "model": self.name,
                "data": self.name,
                "num_layers": -1,
                "batch_size": self.batch,
                "max_seq_length": self.tokens + 1,
                "iters": self.updates * steps,
                **self.plan,
            }
        )

    @property
    def examples(self) -> list[int]:
        plan = self.run_plan
        return self.lengths or [self.tokens + 1] * plan.examples_per_update

    @property
    def batches(self) -> Batches:
        return of_data(self.run_plan, self.examples, self.valid_examples)

    @property
    def valid_examples(self) -> list[int]:
        if self.valid_length is None:
            return self.examples[: self.batch]
        return [self.valid_length] * self.batch


def catalogue_config(slug: str) -> Config:
    """A published config, in full size."""
    found = catalogue.find(slug)
    assert found is not None
    return found.config()


@lru_cache(maxsize=1)
def real_lengths() -> list[int]:
    """Tokens of real texts of very different lengths: the paragraphs of Python's own manual."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(nano_path() / "tokenizer.json"))
    texts = [text for name in sorted(topics) for text in topics[name].split("\n\n") if text.strip()]
    return [max(8, len(tokenizer.encode(text).ids)) for text in texts[::29]]


def cases() -> list[Case]:
    """Every architecture with and without checkpointing, then plans of every kind."""
    found = []
    for number, (name, config) in enumerate(ARCHITECTURES.items()):
        checkpointed = {"grad_checkpoint": True}
        flavours: tuple[Flavour, Flavour] = ("cockpit", "mlx_lm")
        if number % 2:
            flavours = ("mlx_lm", "cockpit")
        found.append(Case(name, config, flavour=flavours[0]))
        found.append(Case(f"{name} checkpointed", config, plan=checkpointed, flavour=flavours[1]))
    return found + _plans() + _ragged() + _longer_validation()


def quick_cases() -> list[Case]:
    """A few of every kind that take seconds, for the test suite."""
    tiny = decoder("llama", hidden=64, layers=3, vocab_size=4000)
    experts = decoder(
        "qwen3_moe",
        hidden=64,
        layers=2,
        vocab_size=4000,
        head_dim=16,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=64,
        decoder_sparse_step=1,
        mlp_only_layers=[],
        norm_topk_prob=True,
    )
    shared = {**ARCHITECTURES["gemma4"], "hidden_size": 128, "vocab_size": 4000}
    shared |= {"num_key_value_heads": 1, "vocab_size_per_layer_input": 4000}
    kept = {"grad_checkpoint": True}
    return [
        Case("quick llama", tiny, 4, 64),
        Case("quick llama checkpointed", tiny, 4, 64, kept, flavour="mlx_lm"),
        Case("quick llama accumulated", tiny, 4, 64, {"grad_accumulation_steps": 3}),
        Case("quick llama on real text", tiny, 4, 192, kept, real_lengths()[:16]),
        Case("quick llama in 8 chunks", tiny, 4, 64, {"loss_chunks": 8}),
        Case("quick packed", packed(tiny, 4), 2, 32),
        Case("quick experts", experts, 4, 64),
        Case("quick shared keys checkpointed", shared, 4, 64, kept),
    ]


def _plans() -> list[Case]:
    smollm2 = catalogue_config("smollm2-135m")
    llama, small = ARCHITECTURES["llama"], decoder("llama", hidden=192, layers=6)
    plans: dict[str, dict[str, Any]] = {
        "dora": {"fine_tune_type": "dora"},
        "full": {"fine_tune_type": "full", "num_layers": 2},
        "full checkpointed": {"fine_tune_type": "full", "grad_checkpoint": True},
        "accumulate 2": {"grad_accumulation_steps": 2},
        "accumulate 4 checkpointed": {"grad_accumulation_steps": 4, "grad_checkpoint": True},
        "dropout": {"lora_parameters": {"dropout": 0.1}},
        "dropout checkpointed": {"lora_parameters": {"dropout": 0.1}, "grad_checkpoint": True},
        "rank 32": {"lora_parameters": {"rank": 32}},
        "keys": {"lora_parameters": {"keys": ["self_attn.q_proj", "self_attn.v_proj"]}},
        "2 layers": {"num_layers": 2},
        "in 2 chunks": {"loss_chunks": 2},
        "in 4 chunks full": {"loss_chunks": 4, "fine_tune_type": "full"},
        "in 4 chunks accumulate 3 dropout": {
            "loss_chunks": 4, "grad_accumulation_steps": 3, "lora_parameters": {"dropout": 0.1},
        },
        "in 16 chunks checkpointed": {"loss_chunks": 16, "grad_checkpoint": True},
        "sgd": {"optimizer": "sgd"},
        "adamw": {"optimizer": "adamw"},
        "adafactor": {"optimizer": "adafactor"},
        "muon": {"optimizer": "muon"},
    }  # fmt: skip
    chunked = {"loss_chunks": 4, "grad_checkpoint": True}
    found = [Case(f"llama {name}", llama, plan=plan) for name, plan in plans.items()]
    for name in ("dora", "full", "accumulate 2", "accumulate 4 checkpointed", "dropout"):
        found.append(Case(f"llama {name}", llama, plan=plans[name], flavour="mlx_lm"))
    for bits in (2, 3, 4, 6, 8):
        found.append(Case(f"llama {bits} bits", packed(llama, bits), 1, 64))
    found += [
        Case("llama 1 x 512", small, 1, 512),
        Case("llama 1 x 512 checkpointed", small, 1, 512, {"grad_checkpoint": True}),
        Case("llama 4 x 64", small, 4, 64),
        Case("llama 8 x 32", small, 8, 32),
        Case("SmolLM2-135M", smollm2, 1, 64, {"num_layers": 4}, updates=4),
        Case("SmolLM2-135M checkpointed", smollm2, 2, 64, {"grad_checkpoint": True}, updates=4),
        Case("qwen3 4 bits", packed(ARCHITECTURES["qwen3"], 4), 1, 64),
        Case("qwen3 4 bits in 4 chunks", packed(ARCHITECTURES["qwen3"], 4), 2, 128, chunked),
        Case("gemma2 in 4 chunks", ARCHITECTURES["gemma2"], 2, 128, chunked),
    ]
    return found


def _longer_validation() -> list[Case]:
    """Validation examples so much longer than the training ones that they make the peak."""
    plan = {"max_seq_length": 513, "grad_checkpoint": True, "num_layers": 1}
    found = []
    for name in ("llama", "gemma3", "gpt_neox", "mamba2", "qwen3_moe"):
        config = ARCHITECTURES[name]
        case = Case(f"{name} longer validation", config, 2, 32, plan, updates=3, valid_length=257)
        found.append(case)
    return [*found, replace(found[0], flavour="mlx_lm"), replace(found[1], flavour="mlx_lm")]


def of_smollm2(folder: Path) -> list[Case]:
    """SmolLM2-135M with its real weights, which ``scripts/smollm2.py`` writes into ``folder``."""
    config = json.loads((folder / "config.json").read_text())
    lengths = [min(length, 129) for length in real_lengths()[:8]]
    name, plan = "SmolLM2-135M, its weights", {"num_layers": 4}
    return [Case(name, config, 2, 128, plan, lengths, updates=4, folder=str(folder))]


def _ragged() -> list[Case]:
    lengths = real_lengths()
    found = []
    for name in ("llama", "qwen3", "gemma3", "granitehybrid", "qwen3_moe", "lfm2"):
        for flavour in ("cockpit", "mlx_lm"):
            found.append(
                Case(
                    f"{name} on real text",
                    ARCHITECTURES[name],
                    4,
                    256,
                    {"grad_checkpoint": name != "llama"},
                    lengths[:24],
                    flavour,  # type: ignore[arg-type]
                )
            )
    return found
