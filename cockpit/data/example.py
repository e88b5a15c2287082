"""One training example as the model sees it, with what the loss leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cockpit.core.plan import RunPlan
from cockpit.data.report import Part, RenderedExample
from cockpit.data.rows import Example
from cockpit.data.tokens import Encoder, ModelTokens

MASKED, LEARNED, CUT = "masked", "learned", "cut"
# Enough of a text to read, and to decode quickly.
SHOWN_TOKENS = 20_000


def rendered(
    number: int, path: Path, line: int, example: Example | None, encoder: Encoder, plan: RunPlan
) -> RenderedExample:
    """The example in its parts; an unusable one with the reason."""
    if example is None or not example.usable:
        faults = example.faults if example else []
        reason = ", ".join(fault.code for fault in faults) or "the line cannot be read"
        return RenderedExample(number, path, line, (), f"not usable: {reason}")
    if not isinstance(encoder, ModelTokens):
        return RenderedExample(number, path, line, tuple(_as_written(example, plan)))
    ids, encoded = encoder.tokens_of(example)
    if encoded.length is None:
        reason = "; ".join(f"{fault.code}: {fault.detail}" for fault in encoded.faults)
        return RenderedExample(number, path, line, (), reason)
    ids = ids[:SHOWN_TOKENS]
    offset = min(encoded.offset, plan.max_seq_length) if plan.mask_prompt else 0
    stretches = (
        (MASKED, ids[:offset]),
        (LEARNED, ids[offset : plan.max_seq_length]),
        (CUT, ids[plan.max_seq_length :]),
    )
    parts = (Part(role, encoder.text_of(some), len(some)) for role, some in stretches if some)
    return RenderedExample(number, path, line, tuple(parts))


def _as_written(example: Example, plan: RunPlan) -> Iterator[Part]:
    """Without a tokenizer: the texts, message by message."""
    if not example.messages:
        yield Part(LEARNED, example.texts[0], None)
        return
    for i, message in enumerate(example.messages):
        masked = plan.mask_prompt and i < len(example.messages) - 1
        content = message.get("content")
        text = content if isinstance(content, str) else str(content or message.get("tool_calls"))
        yield Part(MASKED if masked else LEARNED, f"[{message['role']}] {text}", None)
