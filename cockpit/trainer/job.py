"""Everything a run trains with, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import mlx.nn as nn
import mlx.optimizers as optim

from cockpit.core.checkpoint_state import Patience
from cockpit.core.plan import RunPlan
from cockpit.system.run_dir import RunDir
from cockpit.trainer.data import Data
from cockpit.trainer.emit import Emitter
from cockpit.trainer.loading import Kept
from cockpit.trainer.order import Order
from cockpit.trainer.ranks import Ranks
from cockpit.trainer.resume import Content


@dataclass(frozen=True, slots=True)
class Job:
    """What does not change during a run."""

    run: RunDir
    attempt: int
    plan: RunPlan
    model: nn.Module
    tokenizer: Any
    kept: Kept
    optimizer: optim.Optimizer
    data: Data
    content: Content
    device: str
    order: Order
    ranks: Ranks
    emit: Emitter


@dataclass(slots=True)
class Progress:
    """What does. ``held_learning_rate`` and ``iters`` are what commands made of the plan's."""

    iters: int
    update: int = 0
    trained_tokens: int = 0
    held_learning_rate: float | None = None
    best_validation: tuple[int, float] | None = None
    last_validation: tuple[int, float] | None = None
    saved_update: int = 0
    patience: Patience = field(default_factory=Patience)
