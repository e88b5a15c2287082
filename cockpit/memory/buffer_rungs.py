"""The rungs against too many buffers, which is a count: bytes say nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cockpit.core.ladder import Rung, RungKind, below_floor
from cockpit.memory import rung_words
from cockpit.memory.rung_question import Question, consequences, padded


def buffer_rungs(question: Question) -> Iterator[Rung]:
    """Against too many buffers, which is a count: bytes say nothing, so nothing is forecast."""
    plan = question.plan
    depth = question.limits.layers
    kind: RungKind = "clear_cache_threshold"
    if plan.clear_cache_threshold:
        cleared = plan.with_changes(clear_cache_threshold=0)
        yield Rung(
            kind=kind,
            title=rung_words.title(kind, plan, cleared, depth),
            changes={kind: 0},
            lossless=True,
            consequences=("unused buffers are given back after every micro-batch",),
        )
    else:
        why = "it is 0 already: unused buffers are given back after every micro-batch"
        yield Rung(kind=kind, title=rung_words.name(kind), why_not=why)
    longest = min(plan.max_seq_length, padded(question.longest or plan.max_seq_length))
    fewer = padded((longest - 1) // 2)
    kind = "max_seq_length"
    if fewer >= longest:
        yield Rung(kind=kind, title=rung_words.name(kind), why_not="no shorter length is left")
        return
    shorter = plan.with_changes(max_seq_length=fewer)
    changes: dict[str, Any] = {kind: fewer}
    yield Rung(
        kind=kind,
        title=rung_words.title(kind, plan, shorter, depth),
        changes=changes,
        consequences=(
            *rung_words.distinct_lengths(plan, shorter, question.lengths),
            *consequences(question, shorter),
        ),
        below_floor=below_floor(plan, changes),
    )
