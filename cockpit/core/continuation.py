"""Whether a checkpoint can go on under another plan, and what would differ if it did."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cockpit.core.plan import RunPlan

# The saved arrays and the position mean something under these alone.
FIXED: dict[str, str] = {
    "fine_tune_type": "the saved weights are of another kind",
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
}
_LAST_BITS = ": equal but for the last bits"
# These change how the same mathematics is computed.
ROUNDING: dict[str, str] = {
    "grad_checkpoint": f"the same gradients, computed in another order{_LAST_BITS}",
    "loss_chunks": f"the same loss, summed in another order{_LAST_BITS}",
}
_REDRAWN_BY = frozenset({"grad_checkpoint"})
# A trained head draws for each piece of the loss. mlx-lm's names of heads, tied ones too.
_HEADS = frozenset(
    {"lm_head", "head", "output", "embed_out"}
    | {"embed_tokens", "wte", "embedding", "embeddings", "word_embeddings", "tok_embeddings"}
)
_MASKS = "dropout draws other masks, so losses differ as they would under another seed"
# Where prompts that are left out now, or no longer, change how many examples there are.
REDRAWN = (
    "the order of the examples is drawn anew, so in this epoch some come twice and some not at all"
)
_LONG_EXAMPLES = {
    "split": "longer examples are seen in pieces, where they were cut before",
    "cut": "longer examples are cut, where they were seen in pieces before",
}
_OTHER_PIECES = "longer examples are split at other places than before"
_LEFT_OUT = (
    "longer examples are cut at another place than before, and those whose prompts alone are "
    "longer are left out"
)
_FEWER = (
    "the dropped layers keep what they learned and stay in the adapter, but learn no more; "
    "what the optimizer remembers of them is discarded"
)
_MORE = "layers without the optimizer's moments would be trained beside those that have them"
# Recomputed in another order, or told by content and not by name.
_ELSEWHERE = frozenset(
    {"model", "data", "batch_size", "grad_accumulation_steps", "resume_adapter_file", "iters"}
    | {"num_layers", "val_batches"}
)


@dataclass(frozen=True, slots=True)
class Difference:
    """``field`` was ``before`` and is ``now``; ``effect`` says what follows, if anything does.

    ``lossless``: what follows is the same run but for the last bits of its numbers.
    """

    field: str
    before: Any
    now: Any
    effect: str = ""
    refused: bool = False
    lossless: bool = False

    @property
    def change(self) -> str:
        return f"{self.field}: {shown(self.before)} -> {shown(self.now)}"

    def __str__(self) -> str:
        return f"{self.change} ({self.effect})" if self.effect else self.change


def shown(value: Any) -> str:
    return "not set" if value is None else str(value)


def differences(
    before: Mapping[str, Any], plan: RunPlan, depth: int | None = None
) -> list[Difference]:
    """Every field in which ``plan`` differs from the plan document ``before``.

    Model and data are left to their contents; ``iters`` to whoever knows how far the run is.
    ``depth`` is the number of the model's blocks: without it, all of them are more than any.
    """
    old, new = _flat(before), _flat(plan.model_dump(mode="json"))
    if old.get("fine_tune_type") == new["fine_tune_type"] == "full":
        old, new = _without_adapters(old), _without_adapters(new)
    found = [
        _difference(name, old[name], value, new)
        for name, value in new.items()
        if name not in _ELSEWHERE and name in old and old[name] != value
    ]
    return [*_layers(old, new, depth), *found, *_batch(old, new), *_validation(old, new)]


def effects(before: RunPlan, after: RunPlan, depth: int | None = None) -> tuple[str, ...]:
    """What it means for a run to go on under ``after``, one sentence for each that follows."""
    found = differences(before.model_dump(mode="json"), after, depth)
    return tuple(difference.effect for difference in found if difference.effect)


def is_lossless(before: RunPlan, after: RunPlan, depth: int | None = None) -> bool:
    """Whether a run that goes on under ``after`` is the same one but for the last bits."""
    found = differences(before.model_dump(mode="json"), after, depth)
    return all(d.lossless or not (d.effect or d.refused) for d in found)


def version_warnings(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What other software than the checkpoint's means for the rest of the run."""
    return [
        f"{name} was {before[name]} and is {now[name]}: the run goes on, but its results may "
        "differ in the last bits from an uninterrupted one's"
        for name in ("mlx", "mlx-lm")
        if name in before and name in now and before[name] != now[name]
    ]


def _difference(name: str, before: Any, now: Any, plan: Mapping[str, Any]) -> Difference:
    if name in FIXED:
        return Difference(name, before, now, FIXED[name], refused=True)
    if name in ROUNDING:
        effect, lossless = ROUNDING[name], True
        if name in _REDRAWN_BY or _trains_a_head(plan):
            effect, lossless = _under_dropout(effect, plan)
        return Difference(name, before, now, effect, lossless=lossless)
    if name == "long_examples":
        return Difference(name, before, now, _LONG_EXAMPLES[now])
    if name == "max_seq_length" and plan.get("long_examples") == "split":
        return Difference(name, before, now, _OTHER_PIECES)
    if name == "max_seq_length" and plan.get("mask_prompt"):
        return Difference(name, before, now, _LEFT_OUT)
    return Difference(name, before, now, CHANGES.get(name, ""))


def _trains_a_head(plan: Mapping[str, Any]) -> bool:
    keys = plan.get("lora_parameters.keys") or ()
    return any(key.rpartition(".")[2] in _HEADS for key in keys)


def _under_dropout(effect: str, plan: Mapping[str, Any]) -> tuple[str, bool]:
    """What becomes of a lossless effect where masks are drawn, and whether it still is one."""
    if not plan.get("lora_parameters.dropout"):
        return effect, True
    return f"{effect.removesuffix(_LAST_BITS)}, but {_MASKS}", False


def _layers(
    old: Mapping[str, Any], new: Mapping[str, Any], depth: int | None
) -> Iterator[Difference]:
    before, now = old.get("num_layers"), new["num_layers"]
    if before is None or before == now:
        return
    every = math.inf if depth is None else depth
    trained, asked = [every if number < 1 else min(number, every) for number in (before, now)]
    if asked > trained:
        yield Difference("num_layers", before, now, _MORE, refused=True)
    else:
        yield Difference("num_layers", before, now, _FEWER if asked < trained else "")


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
    effect, lossless = _under_dropout(
        f"the same examples in every update, summed in another order{_LAST_BITS}", new
    )
    sizes = [f"{batch} x {accumulation}" for batch, accumulation in (before, now)]
    yield Difference(
        "batch_size x grad_accumulation_steps", sizes[0], sizes[1], effect, lossless=lossless
    )


def _validation(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """val_batches counts batches: of another size, the same number is of other examples."""
    before, now = old.get("val_batches"), new["val_batches"]
    if before is None:
        return
    examples, examples_now = [
        number * plan.get("batch_size", 1) if number > 0 else number
        for number, plan in ((before, old), (now, new))
    ]
    effect = "validation losses are not of the same examples as before"
    if before != now:
        yield Difference("val_batches", before, now, effect if examples != examples_now else "")
    elif examples != examples_now:
        yield Difference("batch_size x val_batches", examples, examples_now, effect)


def _flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    adapter = plan.get("lora_parameters") or {}
    flat = {name: value for name, value in plan.items() if name != "lora_parameters"}
    return flat | {f"lora_parameters.{name}": value for name, value in adapter.items()}


def _without_adapters(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plan.items() if not name.startswith("lora_")}
