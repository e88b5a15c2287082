"""Whether a checkpoint can go on under another plan, and what would differ if it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cockpit.core.plan import RunPlan

# The saved arrays and the position mean something under these alone.
FIXED: dict[str, str] = {
    "fine_tune_type": "the saved weights are of another kind",
    "num_layers": "other blocks would be trained than the saved ones",
    "lora_parameters.rank": "the saved matrices have another shape",
    "lora_parameters.keys": "other layers would have adapters than the saved ones",
    "lora_parameters.scale": "the saved adapters would act more or less strongly",
    "optimizer": "its saved moments mean nothing to another one",
    "seed": "other examples would follow, some twice and some never",
    "mask_prompt": "the loss would be of other tokens",
    "hf_dataset": "other examples would follow",
}
# These may change, and the run is then another one than it would have been.
CHANGES: dict[str, str] = {
    "learning_rate": "losses from here on are not those of the run as it was planned",
    "lr_schedule": "the rate follows another curve, from this update's place on it",
    "optimizer_config": "updates from here on are computed in another way",
    "lora_parameters.dropout": "losses from here on are measured under another dropout",
    "max_seq_length": "longer examples are cut at another place than before",
    "val_batches": "validation losses are not of the same examples as before",
}
# Recomputed in another order, or told by content and not by name.
_ELSEWHERE = frozenset(
    {"model", "data", "batch_size", "grad_accumulation_steps", "resume_adapter_file", "iters"}
)


@dataclass(frozen=True, slots=True)
class Difference:
    """``field`` was ``before`` and is ``now``; ``effect`` says what follows, if anything does."""

    field: str
    before: Any
    now: Any
    effect: str = ""
    refused: bool = False

    @property
    def change(self) -> str:
        return f"{self.field}: {shown(self.before)} -> {shown(self.now)}"

    def __str__(self) -> str:
        return f"{self.change} ({self.effect})" if self.effect else self.change


def shown(value: Any) -> str:
    return "not set" if value is None else str(value)


def differences(before: Mapping[str, Any], plan: RunPlan) -> list[Difference]:
    """Every field in which ``plan`` differs from the plan document ``before``.

    Model and data are left to their contents; ``iters`` to whoever knows how far the run is.
    """
    old, new = _flat(before), _flat(plan.model_dump(mode="json"))
    if old.get("fine_tune_type") == new["fine_tune_type"] == "full":
        old, new = _without_adapters(old), _without_adapters(new)
    found = [
        Difference(name, old[name], value, FIXED.get(name) or CHANGES.get(name, ""), name in FIXED)
        for name, value in new.items()
        if name not in _ELSEWHERE and name in old and old[name] != value
    ]
    return [*found, *_batch(old, new)]


def version_warnings(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What other software than the checkpoint's means for the rest of the run."""
    return [
        f"{name} was {before[name]} and is {now[name]}: the run goes on, but its results may "
        "differ in the last bits from an uninterrupted one's"
        for name in ("mlx", "mlx-lm")
        if name in before and name in now and before[name] != now[name]
    ]


def _batch(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    names = ("batch_size", "grad_accumulation_steps")
    before, now = [[plan.get(name, 1) for name in names] for plan in (old, new)]
    if before == now:
        return
    examples, examples_now = before[0] * before[1], now[0] * now[1]
    if examples != examples_now:
        yield Difference(
            "batch_size x grad_accumulation_steps",
            examples,
            examples_now,
            "an update would take another number of examples, so the place in the data is lost",
            refused=True,
        )
        return
    effect = "the same examples an update, summed in another order: equal but for the last bits"
    sizes = [f"{batch} x {accumulation}" for batch, accumulation in (before, now)]
    yield Difference("batch_size x grad_accumulation_steps", sizes[0], sizes[1], effect)


def _flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    adapter = plan.get("lora_parameters") or {}
    flat = {name: value for name, value in plan.items() if name != "lora_parameters"}
    return flat | {f"lora_parameters.{name}": value for name, value in adapter.items()}


def _without_adapters(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plan.items() if not name.startswith("lora_")}
