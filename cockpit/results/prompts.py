"""What to ask when nobody says: the plan's own sample prompts, or the validation set's first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.core.plan import RunPlan

FROM_DATA = 3
# Of plain text, which has no question: enough to go on from.
FIRST_WORDS = 8
_ANSWERS = frozenset({"assistant", "tool", "function"})


@dataclass(frozen=True, slots=True)
class Prompt:
    """``text`` is what is shown. ``messages``, if any, is the whole conversation that leads to it.

    ``raw`` text goes to the model as it is, as it did in training on plain text.
    """

    text: str
    messages: tuple[dict[str, Any], ...] = ()
    raw: bool = False


def of(plan: RunPlan, asked: list[str]) -> list[Prompt]:
    """Those that were asked, or the plan's, or the first few of the data, if there are any."""
    given = asked or list(plan.sample_prompts)
    if given:
        return [Prompt(text) for text in given]
    if not plan.data or plan.hf_dataset:
        return []
    folder = Path(plan.data)
    for name in ("valid", "test", "train"):
        found = list(_from_file(folder / f"{name}.jsonl", plan))
        if found:
            return found
    return []


def _from_file(path: Path, plan: RunPlan) -> Iterator[Prompt]:
    """Different prompts in their order; lines that hold none are passed over."""
    seen: set[str] = set()
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                prompt = _of_line(line, plan)
                if prompt is None or prompt.text in seen:
                    continue
                seen.add(prompt.text)
                yield prompt
                if len(seen) == FROM_DATA:
                    return
    except OSError:
        return


def _of_line(line: str, plan: RunPlan) -> Prompt | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, Mapping):
        return None
    if plan.chat_feature in row:
        return _of_messages(row[plan.chat_feature])
    if isinstance(prompt := row.get(plan.prompt_feature), str) and prompt.strip():
        return Prompt(prompt)
    text = row.get(plan.text_feature)
    if not isinstance(text, str) or not text.split():
        return None
    return Prompt(" ".join(text.split()[:FIRST_WORDS]), raw=True)


def _of_messages(messages: Any) -> Prompt | None:
    """The conversation up to the first answer."""
    if not isinstance(messages, list) or not all(isinstance(m, Mapping) for m in messages):
        return None
    before: list[dict[str, Any]] = []
    for message in messages:
        if message.get("role") in _ANSWERS:
            break
        before.append(dict(message))
    if not before or before[-1].get("role") != "user":
        return None
    text = before[-1].get("content")
    return Prompt(text, tuple(before)) if isinstance(text, str) and text.strip() else None
