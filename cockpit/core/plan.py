"""The RunPlan: everything a training run needs to know, in mlx-lm's own words.

Fields, names and defaults are those of ``mlx_lm.lora``'s configuration (mlx-lm 0.32,
``CONFIG_DEFAULTS``), so a YAML file written for it is a plan. An *iteration* is one
micro-batch, as in mlx-lm; an *update* is one optimizer step and consumes
``batch_size * grad_accumulation_steps`` examples.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

FineTuneType = Literal["lora", "dora", "full"]
Optimizer = Literal["adam", "adamw", "muon", "sgd", "adafactor"]
LongExamples = Literal["cut", "split"]
OnOutOfMemory = Literal["ask", "auto"]
GuardMode = Literal["off", "warn", "stop"]

# Keyword arguments of mlx.optimizers' constructors (mlx 0.32), beside learning_rate.
OPTIMIZER_ARGUMENTS: dict[str, frozenset[str]] = {
    "adam": frozenset({"betas", "eps", "bias_correction"}),
    "adamw": frozenset({"betas", "eps", "weight_decay", "bias_correction"}),
    "muon": frozenset({"momentum", "weight_decay", "nesterov", "ns_steps"}),
    "sgd": frozenset({"momentum", "weight_decay", "dampening", "nesterov"}),
    "adafactor": frozenset(
        {
            "eps",
            "clip_threshold",
            "decay_rate",
            "beta_1",
            "weight_decay",
            "scale_parameter",
            "relative_step",
            "warmup_init",
        }
    ),
}

# Schedules of mlx.optimizers.schedulers: fewest and most positional arguments.
SCHEDULE_ARGUMENTS: dict[str, tuple[int, int]] = {
    "cosine_decay": (2, 3),
    "exponential_decay": (2, 2),
    "linear_schedule": (3, 3),
    "step_decay": (3, 3),
}

_SIZE_UNITS = {"": 1, "M": 10**6, "MB": 10**6, "G": 10**9, "GB": 10**9}


def _parse_size(value: object) -> object:
    """``"1.5GB"`` -> bytes, as mlx-lm's ``--clear-cache-threshold`` reads it."""
    if not isinstance(value, str):
        return value
    digits = value.strip().rstrip("GgMmBb ")
    unit = value.strip()[len(digits) :].strip().upper()
    if unit not in _SIZE_UNITS:
        raise ValueError(f"unknown unit {unit!r}: write bytes, or a number with MB or GB")
    return int(float(digits) * _SIZE_UNITS[unit])


class PlanModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# More than any machine, model or data set has; beyond it nothing can be counted, so it is refused.
MOST = 2**31 - 1
MOST_EXAMPLES = 65_536
MOST_TOKENS = 2**24
MOST_LAYERS = 100_000


class LoraParameters(PlanModel):
    """The low-rank adapter: ``scale`` multiplies it (``alpha / rank`` elsewhere)."""

    rank: int = Field(8, ge=1, le=MOST, description="Rank of the adapter matrices.")
    scale: float = Field(20.0, description="Multiplier of the adapter (alpha / rank elsewhere).")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Dropout on the adapter's input.")
    keys: tuple[str, ...] | None = Field(
        None, description="Layers inside a block that get an adapter; all linear layers if unset."
    )


class LrSchedule(PlanModel):
    """A schedule of ``mlx.optimizers.schedulers``; its steps count updates."""

    name: str = Field(description="One of " + ", ".join(SCHEDULE_ARGUMENTS) + ".")
    arguments: tuple[float, ...] = Field(description="Positional arguments, first the peak rate.")
    warmup: int = Field(0, ge=0, description="Updates of linear warm-up before it.")
    warmup_init: float = Field(0.0, ge=0.0, description="Learning rate where the warm-up starts.")

    @model_validator(mode="after")
    def _known(self) -> LrSchedule:
        if self.name not in SCHEDULE_ARGUMENTS:
            raise ValueError(f"unknown schedule {self.name!r}: use {', '.join(SCHEDULE_ARGUMENTS)}")
        fewest, most = SCHEDULE_ARGUMENTS[self.name]
        if not fewest <= len(self.arguments) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise ValueError(f"{self.name} takes {wanted} arguments, got {len(self.arguments)}")
        return self


Positive = Annotated[int, Field(ge=1, le=MOST)]
Count = Annotated[int, Field(ge=0, le=MOST)]
CountOrAll = Annotated[int, Field(ge=-1, le=MOST)]


class RunPlan(PlanModel):
    """What to train, on what, and how. Frozen: a changed plan is another plan."""

    model: str = Field(description="Model folder, hub name, or 'nano' (the embedded model).")
    data: str = Field("", description="Folder with train.jsonl (and valid.jsonl, test.jsonl).")
    hf_dataset: dict[str, Any] | list[dict[str, Any]] | None = Field(
        None, description="Hugging Face data sets as mlx-lm describes them, instead of data."
    )
    name: str | None = Field(None, description="A name for the run, shown in the list of runs.")

    fine_tune_type: FineTuneType = Field("lora", description="lora, dora, or full.")
    num_layers: int = Field(
        16, ge=-1, le=MOST_LAYERS, description="Blocks to train, from the last; -1 is all."
    )
    lora_parameters: LoraParameters = LoraParameters()
    mask_prompt: bool = Field(False, description="Learn from the answers only, not the prompts.")

    batch_size: Positive = Field(4, le=MOST_EXAMPLES, description="Examples in a micro-batch.")
    grad_accumulation_steps: Positive = Field(1, description="Micro-batches in an update.")
    iters: Positive = Field(1000, description="Micro-batches to train for.")
    max_seq_length: int = Field(
        2048, ge=2, le=MOST_TOKENS, description="Longer examples are cut, in tokens."
    )
    grad_checkpoint: bool = Field(False, description="Recompute activations to save memory.")
    seed: int = Field(0, ge=0, description="Decides data order, adapters' start and dropout.")

    optimizer: Optimizer = Field("adam", description="adam, adamw, muon, sgd, or adafactor.")
    optimizer_config: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Arguments of the optimizer, by its name."
    )
    learning_rate: float = Field(1e-5, gt=0, description="Constant rate unless lr_schedule.")
    lr_schedule: LrSchedule | None = None

    steps_per_report: Positive = Field(10, description="Iterations between printed lines.")
    steps_per_eval: Positive = Field(200, description="Iterations between validations.")
    val_batches: CountOrAll = Field(25, description="Validation micro-batches; -1 is all.")
    save_every: Positive = Field(100, description="Iterations between checkpoints.")
    keep_last: Positive = Field(3, description="Newest checkpoints to keep (not in mlx-lm).")
    keep_best: bool = Field(
        True, description="Also save and keep the best by validation, as 'best' (not in mlx-lm)."
    )
    keep_every: Count = Field(
        0, description="Also keep every Nth scheduled checkpoint; 0 is none (not in mlx-lm)."
    )
    early_stopping_patience: Count = Field(
        0, description="Stop after this many validations without a better one; 0 is never."
    )
    early_stopping_min_delta: float = Field(
        0.0, ge=0.0, description="How much lower the loss must be to count as better."
    )
    loss_chunks: Positive = Field(
        1, description="Pieces the loss is computed in, so that not all logits exist at once."
    )
    long_examples: LongExamples = Field(
        "cut", description="Examples over max_seq_length: cut, or split into several (not mlx-lm)."
    )
    on_oom: OnOutOfMemory = Field(
        "ask", description="Out of memory: ask, or auto to recover unattended (not in mlx-lm)."
    )
    max_recoveries: Count = Field(
        6, description="Recoveries that on_oom = auto may take in a row (not in mlx-lm)."
    )
    floor_seq_length: Positive = Field(
        256, description="on_oom = auto asks before going below this max_seq_length."
    )
    floor_num_layers: Positive = Field(
        2, description="on_oom = auto asks before training fewer blocks than this."
    )
    guard: GuardMode = Field(
        "stop", description="Before memory runs out: stop after a checkpoint, warn, or off."
    )
    test: bool = Field(False, description="Evaluate on test.jsonl after training.")
    test_batches: CountOrAll = Field(500, description="Test micro-batches; -1 is all.")

    sample_prompts: tuple[str, ...] = Field(
        (), description="Prompts answered before the first and after the last update."
    )

    resume_adapter_file: str | None = Field(
        None, description="Start from these adapter weights (weights only)."
    )
    adapter_path: str | None = Field(
        None, description="Accepted from mlx-lm; adapters are kept in the run's own folder."
    )
    clear_cache_threshold: Annotated[int, BeforeValidator(_parse_size), Field(ge=0)] = Field(
        0, description="Clear the allocator's cache above this size (bytes, or '2GB')."
    )
    trust_remote_code: bool = Field(False, description="Let the model run its own Python code.")
    report_to: str | None = Field(None, description="Also log to wandb and/or swanlab.")
    project_name: str | None = Field(None, description="Project name for report_to.")

    prompt_feature: str = Field("prompt", description="Key of the prompt in a data line.")
    completion_feature: str = Field("completion", description="Key of the completion.")
    chat_feature: str = Field("messages", description="Key of the messages.")
    text_feature: str = Field("text", description="Key of the text.")

    @model_validator(mode="after")
    def _consistent(self) -> RunPlan:
        if not self.data and not self.hf_dataset:
            raise ValueError("data is missing: name a folder with train.jsonl")
        if self.iters < self.grad_accumulation_steps:
            raise ValueError(
                f"iters ({self.iters}) is less than grad_accumulation_steps "
                f"({self.grad_accumulation_steps}): not one update would be made"
            )
        for name, arguments in self.optimizer_config.items():
            if name not in OPTIMIZER_ARGUMENTS:
                raise ValueError(f"optimizer_config names an unknown optimizer {name!r}")
            if unknown := sorted(set(arguments) - OPTIMIZER_ARGUMENTS[name]):
                known = ", ".join(sorted(OPTIMIZER_ARGUMENTS[name]))
                raise ValueError(f"{name} has no argument {unknown[0]!r}: it takes {known}")
        return self

    @property
    def examples_per_update(self) -> int:
        return self.batch_size * self.grad_accumulation_steps

    @property
    def updates(self) -> int:
        """Optimizer steps; as in mlx-lm, a last incomplete accumulation makes none."""
        return self.iters // self.grad_accumulation_steps

    @property
    def iterations(self) -> int:
        """Micro-batches that count: ``iters`` without a last incomplete accumulation."""
        return self.updates * self.grad_accumulation_steps

    def in_updates(self, iterations: int) -> int:
        """An interval given in iterations, in updates: at least one, rounded up."""
        return max(1, math.ceil(iterations / self.grad_accumulation_steps))

    def with_changes(self, **changes: Any) -> RunPlan:
        """A validated copy; raises pydantic's ValidationError on a bad value.

        ``model_fields_set`` still tells what was asked for from what is a default.
        """
        return RunPlan.model_validate(self.model_dump(exclude_unset=True) | changes)


def iters_for_epochs(epochs: float, examples: int, batch_size: int, accumulation: int = 1) -> int:
    """Iterations that show each of ``examples`` about ``epochs`` times, in whole updates."""
    updates = max(1, round(epochs * examples / (batch_size * accumulation)))
    return updates * accumulation
