"""The job ``evaluate``: the loss of base and tuned model, by the trainer's own evaluation."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.results import adapted
from cockpit.results.adapted import Adapted, Say
from cockpit.results.choice import Choice
from cockpit.results.messages import Progress, Side
from cockpit.system import identity
from cockpit.trainer import chunked_loss, data
from cockpit.trainer.batches import make_batch, shares
from cockpit.trainer.data import Split
from cockpit.trainer.evaluate import evaluate
from cockpit.trainer.ranks import Ranks
from cockpit.trainer.step import Batch

TOLD_SECONDS = 1.0


def run(request: dict[str, Any], say: Say) -> dict[str, Any]:
    """``request``: run, checkpoint, split; the document that ``cockpit evaluate --json`` prints."""
    model = adapted.load(request, say)
    name, split, notes = _split(model, request.get("split"), say)
    for note in notes:
        say(Progress(note, warning=True))
    losses = {side: _loss(model, name, split, side, say) for side in ("base", "tuned")}
    choice = model.choice
    return {
        "run": choice.run.name,
        "model": choice.plan.model,
        "checkpoint": choice.update,
        "split": name,
        "examples": len(split),
        "batches": len(_parts(name, split, choice.plan)),
        "tokens": losses["tuned"]["tokens"],
        "dtype": model.loaded.dtype,
        "base": _figures(losses["base"]["loss"]),
        "tuned": _figures(losses["tuned"]["loss"]),
        "best_checkpoint": None
        if choice.best is None
        else {"update": choice.best.update, "validation_loss": choice.best.loss},
        "notes": [*choice.warnings, *notes],
    }


def _figures(loss: float) -> dict[str, float | None]:
    """A perplexity too large to be a number is none."""
    return {"loss": loss, "perplexity": math.exp(loss) if loss < 700 else None}


def _split(model: Adapted, asked: str | None, say: Say) -> tuple[str, Split, list[str]]:
    """Which split to measure on: what was asked for, or test, or validation where there is none."""
    choice = model.choice
    # A data set of the hub without a test set is an error there, and no empty one.
    names = ["test", "valid"] if choice.plan.test or not choice.plan.hf_dataset else ["valid"]
    left_out = 0
    for name in [asked] if asked else names:
        found = data.load_split(
            name, choice.plan, model.tokenizer, lambda text: say(Progress(text))
        )
        if len(found):
            notes = list(_changes(choice)) if name == "valid" else []
            if name == "valid" and asked is None:
                notes.insert(0, "There is no test set: this is valid.jsonl, as training saw it.")
            return name, found, notes
        left_out += found.left_out
    source = choice.plan.data or "the data set"
    if left_out:
        raise CockpitError(
            "There is nothing to evaluate on",
            f"{source}: the prompts of all {left_out:,} examples fill max_seq_length "
            f"({choice.plan.max_seq_length}), so no answer is seen",
            "Shorten them, or take the other split with --split.",
        )
    wanted = f"{asked}.jsonl" if asked else "test.jsonl or valid.jsonl"
    raise CockpitError(
        "There is nothing to evaluate on",
        f"{source}: {wanted} is missing or empty",
        "Add it, or take the other one with --split." if asked else "Add one of them.",
    )


def _changes(choice: Choice) -> Iterator[str]:
    """Whether valid.jsonl is another file than the one that training was validated on."""
    folder = Path(choice.plan.data)
    before = choice.state.data_files.get("valid.jsonl")
    if before is None or not folder.is_dir():
        return
    if identity.data_sha256s(folder).get("valid.jsonl") != before:
        yield "valid.jsonl has changed since: these are not the validation losses of training."


def _parts(name: str, split: Split, plan: RunPlan) -> list[Any]:
    """The very batches that training takes for it."""
    return shares(split, plan, plan.test_batches if name == "test" else plan.val_batches, Ranks())


def _loss(model: Adapted, name: str, split: Split, side: Side, say: Say) -> dict[str, Any]:
    plan = model.choice.plan
    net = model.use(side)
    measured = evaluate(
        net,
        _counted(split, _parts(name, split, plan), plan, f"{side} model", say),
        Ranks(),
        clear_cache_above=plan.clear_cache_threshold,
        loss_of=chunked_loss.verified(net, plan.loss_chunks),
    )
    assert measured is not None
    loss, tokens = measured
    if not math.isfinite(loss):
        raise CockpitError(
            f"The loss of the {side} model is not a number",
            f"{plan.data or 'the data set'}, {name}: {tokens:,} tokens count"
            + ("; mask_prompt leaves nothing to measure" if not tokens else ""),
            "Check the data with: cockpit data FOLDER",
            exit_code=1,
        )
    return {"loss": loss, "tokens": tokens}


def _counted(
    split: Split, parts: list[Any], plan: RunPlan, what: str, say: Say
) -> Iterator[Batch | None]:
    told = time.monotonic()
    say(Progress(f"{what}: {len(parts):,} batches"))
    for number, part in enumerate(parts):
        if time.monotonic() - told >= TOLD_SECONDS:
            say(Progress(f"{what}: batch {number:,} of {len(parts):,}"))
            told = time.monotonic()
        yield make_batch(split, part, plan.max_seq_length) if len(part) else None
