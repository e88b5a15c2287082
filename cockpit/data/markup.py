"""Text that is already formatted with a chat template, turned back into messages."""

from __future__ import annotations

import re
from dataclasses import dataclass

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Markup:
    """How one family writes a turn: ``turn`` finds role and content."""

    name: str
    sign: str
    turn: re.Pattern[str]


MARKUPS = (
    Markup(
        "ChatML",
        "<|im_start|>",
        re.compile(
            r"<\|im_start\|>[ \t]*(\w+)\r?\n(.*?)(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)", re.S
        ),
    ),
    Markup(
        "Gemma",
        "<start_of_turn>",
        re.compile(
            r"<start_of_turn>[ \t]*(\w+)\r?\n(.*?)(?:<end_of_turn>|(?=<start_of_turn>)|\Z)", re.S
        ),
    ),
    Markup(
        "Llama 3",
        "<|start_header_id|>",
        re.compile(
            r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\s*(.*?)"
            r"(?:<\|eot_id\|>|(?=<\|start_header_id\|>)|\Z)",
            re.S,
        ),
    ),
)
_ROLES = {"model": "assistant", "human": "user", "gpt": "assistant", "ipython": "tool"}
# Where a new conversation begins in a file that holds several.
_STARTS = re.compile(
    r"(?:<bos>|<s>|<\|begin_of_text\|>)|<\|im_start\|>[ \t]*system|<\|start_header_id\|>system"
)
_FIRST_TURN = re.compile(
    r"<\|im_start\|>[ \t]*user|<start_of_turn>[ \t]*user|<\|start_header_id\|>user"
)


def markup_of(text: str) -> Markup | None:
    """The family whose turns ``text`` holds, if any."""
    if "<" not in text:
        return None
    return next((m for m in MARKUPS if m.sign in text and m.turn.search(text)), None)


def messages_of(text: str, markup: Markup) -> list[Message]:
    """The turns of ``text``; what stands before the first one is lost markup such as <bos>."""
    return [
        {"role": _ROLES.get(role, role), "content": content.strip()}
        for role, content in markup.turn.findall(text)
        if content.strip() or role not in ("assistant", "model")
    ]


def starts_conversation(line: str, *, after_blank: bool) -> bool:
    """Whether another conversation begins with this line of a file that holds several."""
    return bool(_STARTS.match(line) or (after_blank and _FIRST_TURN.match(line)))
