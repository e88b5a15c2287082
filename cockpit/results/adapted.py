"""One model in memory that is the base or the tuned one, as wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

from cockpit.results.choice import TRIES, Choice, choose
from cockpit.results.messages import Message, Progress, Side
from cockpit.system import run_dir
from cockpit.trainer import loading
from cockpit.trainer.checkpoint import ADAPTERS_NAME
from cockpit.trainer.failures import Failure
from cockpit.trainer.loading import Kept, Loaded

Say = Callable[[Message], None]

Modules = list[tuple[str, nn.Module]]


@dataclass(slots=True)
class Adapted:
    """A run's model with what it learned, which ``use`` takes out and puts back.

    Adapters are modules around those of the base: the one is swapped for the other, and the
    base's are the very same objects. A full fine-tuning swaps the weights that it trained, so
    those are there twice.
    """

    choice: Choice
    loaded: Loaded
    kept: Kept
    modules: dict[Side, Modules]
    weights: dict[Side, dict[str, mx.array]]

    @property
    def model(self) -> nn.Module:
        return self.loaded.model

    @property
    def tokenizer(self) -> Any:
        return self.loaded.tokenizer

    def use(self, side: Side) -> nn.Module:
        """The model as the base was, or as the checkpoint made it."""
        if self.modules[side]:
            self.model.update_modules(tree_unflatten(list(self.modules[side])))
        if self.weights[side]:
            self.model.load_weights(list(self.weights[side].items()), strict=False)
        return self.model


def load(request: dict[str, Any], say: Say, *, as_stored: bool = False) -> Adapted:
    """The model of ``request["run"]`` at ``request["checkpoint"]``, tuned; raises CockpitError.

    In the precision it trains in on this machine, or ``as_stored``, for what is written again.
    """
    run, asked = run_dir.find(request["run"]), request.get("checkpoint")
    choice = choose(run, asked)
    say(Progress(f"loading {choice.plan.model}"))
    loaded = loading.load(choice.model, choice.plan, as_stored=as_stored)
    base = dict(loaded.model.named_modules())
    kept = loading.prepare(loaded.model, choice.plan, choice.state.kept_layers)
    tuned = [
        (name, module)
        for name, module in loaded.model.named_modules()
        if name in base and base[name] is not module
    ]
    adapted = Adapted(
        choice,
        loaded,
        kept,
        {"base": [(name, base[name]) for name, _ in tuned], "tuned": tuned},
        {"base": {}, "tuned": {}},
    )
    _take_up(adapted, asked)
    loaded.model.eval()
    return adapted


def _take_up(adapted: Adapted, asked: str | None) -> None:
    """Loads the checkpoint's weights, those of a newer one if it was pruned meanwhile."""
    full = adapted.choice.plan.fine_tune_type == "full"
    before = adapted.kept.weights(adapted.model)
    for attempt in range(TRIES):
        path = adapted.choice.folder / ADAPTERS_NAME
        try:
            missing = loading.load_weights(adapted.model, path, adapted.kept.names)
            break
        except Failure:
            if path.exists() or attempt + 1 == TRIES:
                raise
            adapted.choice = choose(adapted.choice.run, asked)
    if missing:
        raise Failure("checkpoint", "The checkpoint is damaged", f"{path}: weights are missing")
    if full:
        adapted.weights["base"] = before
        adapted.weights["tuned"] = adapted.kept.weights(adapted.model)


def number_of_adapters(model: nn.Module) -> int:
    """How many arrays of adapters are in ``model``: none in a base, and none in a fused model."""
    names = (name.rpartition(".")[2] for name, _ in tree_flatten(model.parameters()))
    return sum(name in ("lora_a", "lora_b") for name in names)
