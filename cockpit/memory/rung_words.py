"""What the rungs of the ladder are called, and what each of them means for the run, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cockpit.core import continuation
from cockpit.core.forecast import MemoryForecast
from cockpit.core.format import excess, need_of
from cockpit.core.ladder import RungKind
from cockpit.core.plan import RunPlan
from cockpit.memory.analytic import padded_length

_NAMES: dict[RungKind, str] = {
    "grad_checkpoint": "Gradient checkpointing",
    "loss_chunks": "Loss in chunks",
    "batch_size": "Smaller micro-batches",
    "max_seq_length": "Shorter sequences",
    "long_examples": "Split long examples",
    "num_layers": "Fewer layers",
    "clear_cache_threshold": "Clear the cache",
}


# Told with figures by ``consequences``.
_SAID = frozenset({"max_seq_length"})


def name(kind: RungKind) -> str:
    return _NAMES[kind]


def title(kind: RungKind, before: RunPlan, after: RunPlan, depth: int | None) -> str:
    """All that is changed: ``Loss in chunks: 1 -> 8, with gradient checkpointing``."""
    others = along(kind, before, after)
    with_them = " and ".join(filter(None, (", ".join(others[:-1]), *others[-1:])))
    return lever(kind, before, after, depth) + (f", with {with_them}" if others else "")


def short(kind: RungKind, before: RunPlan, after: RunPlan, depth: int | None) -> str:
    """``Loss in chunks: 1 -> 8, and 1 more``: of the changes that it takes."""
    others = along(kind, before, after)
    return lever(kind, before, after, depth) + (f", and {len(others)} more" if others else "")


def lever(kind: RungKind, before: RunPlan, after: RunPlan, depth: int | None) -> str:
    """The rung with what its own lever does: ``Smaller micro-batches: 4 x 1 -> 2 x 2``."""
    if kind == "batch_size":
        return f"{name(kind)}: {_batch(before)} -> {_batch(after)}"
    if kind == "grad_checkpoint":
        return name(kind)
    if kind == "num_layers":
        return f"{name(kind)}: {trained_layers(before, depth)} -> {after.num_layers}"
    if kind == "long_examples":
        return f"{name(kind)} at {after.max_seq_length:,} tokens"
    return f"{name(kind)}: {getattr(before, kind):,} -> {getattr(after, kind):,}"


def along(kind: RungKind, before: RunPlan, after: RunPlan) -> tuple[str, ...]:
    """What else is changed, by rungs above that are part of this one."""
    said = {
        "grad_checkpoint": "gradient checkpointing",
        "loss_chunks": f"{after.loss_chunks} chunks",
        "batch_size": f"batch {_batch(after)}",
        "max_seq_length": f"{after.max_seq_length:,} tokens",
        "long_examples": "long examples split",
        "num_layers": f"{after.num_layers} layers",
    }
    own = {kind, "max_seq_length"} if kind == "long_examples" else {kind}
    return tuple(
        words
        for field, words in said.items()
        if field not in own and getattr(before, field) != getattr(after, field)
    )


def _batch(plan: RunPlan) -> str:
    return f"{plan.batch_size} x {plan.grad_accumulation_steps}"


def nothing_left(kind: RungKind, plan: RunPlan) -> str:
    if kind == "loss_chunks":
        return f"the loss is computed in {plan.loss_chunks} chunks already"
    return "it is on already"


def too_much(
    kind: RungKind, plan: RunPlan, forecast: MemoryForecast, budget_bytes: int | None
) -> str:
    """Why a rung does not help: what the plan still needs with all that it can give."""
    most = {
        "batch_size": f"with {plan.batch_size} x {plan.grad_accumulation_steps}",
        "max_seq_length": f"with {plan.max_seq_length} tokens",
        "long_examples": f"with {plan.max_seq_length} tokens",
        "num_layers": f"with {plan.num_layers} layer{'s' if plan.num_layers != 1 else ''}",
    }.get(kind, "with it")
    need = need_of(forecast.needed_bytes, budget_bytes)
    verb = "is" if excess(forecast.needed_bytes, budget_bytes) else "needs"
    return f"even {most} it {verb} {need}"


def consequences(
    before: RunPlan, after: RunPlan, lengths: Sequence[int] | None, depth: int | None
) -> tuple[str, ...]:
    """One sentence for each thing that is not as before, wherever it is trained from."""
    return tuple(_consequences(before, after, lengths, depth))


def of_going_on(before: RunPlan, after: RunPlan, depth: int | None) -> tuple[str, ...]:
    """What it means for a run that goes on from a checkpoint."""
    found = continuation.differences(before.model_dump(mode="json"), after, depth)
    said = (d.effect for d in found if d.effect and d.field not in _SAID)
    return tuple(dict.fromkeys(said))


def _consequences(
    before: RunPlan, after: RunPlan, lengths: Sequence[int] | None, depth: int | None
) -> Iterator[str]:
    if after.grad_checkpoint and not before.grad_checkpoint:
        yield "gradient checkpointing: activations are computed twice"
    if after.loss_chunks != before.loss_chunks:
        yield (
            f"the loss in {after.loss_chunks} chunks, one at a time: the loss itself costs no "
            "second computation"
        )
    if after.batch_size != before.batch_size:
        yield f"{_batch(after)} examples an update instead of {_batch(before)}"
    if after.max_seq_length < before.max_seq_length:
        yield from _shorter(before, after, lengths)
    layers, now = trained_layers(before, depth), trained_layers(after, depth)
    if layers is not None and now is not None and now < layers:
        are = "block is" if now == 1 else "blocks are"
        yield f"{now} {are} trained instead of {layers}"


def _shorter(before: RunPlan, after: RunPlan, lengths: Sequence[int] | None) -> Iterator[str]:
    most = after.max_seq_length
    if lengths is None or not len(lengths):
        yield f"examples longer than {most:,} tokens are truncated"
        return
    beyond = sum(length > most for length in lengths)
    if after.long_examples == "split":
        # A piece starts with the last token of the one before.
        pieces = sum(max(1, -(-(length - 1) // (most - 1))) for length in lengths)
        yield f"{beyond:,} of {len(lengths):,} examples are split: {pieces:,} pieces in all"
        return
    seen = sum(min(length, before.max_seq_length) for length in lengths)
    lost = seen - sum(min(length, most) for length in lengths)
    yield (
        f"truncates {beyond:,} of {len(lengths):,} examples: {lost:,} tokens, "
        f"{100 * lost / max(1, seen):.1f} % of all, are not learned from"
    )


def distinct_lengths(
    before: RunPlan, after: RunPlan, lengths: Sequence[int] | None
) -> Iterator[str]:
    """How many padded lengths batches can have: each keeps buffers of its own."""
    if lengths is None or not len(lengths):
        return
    counts = [
        len({padded_length(length, plan.max_seq_length) for length in lengths})
        for plan in (before, after)
    ]
    yield f"batches of at most {counts[1]} different lengths instead of {counts[0]}"


def trained_layers(plan: RunPlan, depth: int | None) -> int | None:
    """Blocks that train; None if that is all of a model whose depth is not known."""
    if plan.num_layers > 0:
        return plan.num_layers if depth is None else min(plan.num_layers, depth)
    return depth
