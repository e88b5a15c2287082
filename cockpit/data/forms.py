"""Layouts of examples that are not mlx-lm's: recognized by their keys, and turned into its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cockpit.data.findings import Fault
from cockpit.data.lines import Row, kind_of
from cockpit.data.markup import markup_of, messages_of
from cockpit.system.dataset_rows import DataKeys, format_of

SHAREGPT, ALPACA, PREFERENCE, PAIR = "ShareGPT", "Alpaca", "preference", "question and answer"

_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "function_call": "assistant",
    "function_response": "tool",
    "observation": "tool",
    "function": "tool",
}
_TURN_KEYS = ("conversations", "conversation", "dialogue", "dialog", "turns", "chat", "messages")
_ANSWER_KEYS = ("output", "response", "answer", "completion", "target")
_PAIRS = (
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("query", "answer"),
    ("input", "output"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("problem", "solution"),
    ("source", "target"),
    ("user", "assistant"),
    ("human", "assistant"),
)


def form_of(row: Row, keys: DataKeys) -> str | None:
    """The name of a row's layout: mlx-lm's own, or one that can be converted; else None."""
    turns = next((row[key] for key in _TURN_KEYS if isinstance(row.get(key), list)), None)
    foreign_turns = bool(turns and isinstance(turns[0], dict) and "from" in turns[0])
    own = format_of(row, keys)
    if own is not None and not (own in ("chat", "tools") and foreign_turns):
        return "chat" if own == "tools" else own
    if turns is not None:
        return SHAREGPT
    if "chosen" in row:
        return PREFERENCE
    if "instruction" in row and any(key in row for key in _ANSWER_KEYS):
        return ALPACA
    return PAIR if _pair(row) else None


def is_own(form: str | None) -> bool:
    """Whether mlx-lm reads the layout as it is."""
    return form in ("chat", "completions", "text")


def to_own(row: Row, form: str, keys: DataKeys) -> Row | Fault:
    """The row under mlx-lm's own names; plain text that is formatted for chat stays as it is."""
    if form == "chat":
        kept = {"messages": row.get(keys.chat)}
        return kept | ({"tools": row["tools"]} if row.get("tools") is not None else {})
    if form == "completions":
        kept = {"prompt": row.get(keys.prompt), "completion": row.get(keys.completion)}
        return kept | ({"tools": row["tools"]} if row.get("tools") is not None else {})
    if form == "text":
        return {"text": row.get(keys.text)}
    return _CONVERTERS[form](row)


def unmarked(row: Row) -> Row:
    """``{"text": ...}`` that is formatted for chat as messages; other rows as they are."""
    text = row.get("text")
    markup = markup_of(text) if isinstance(text, str) else None
    if markup is None:
        return row
    return {"messages": messages_of(row["text"], markup)}


def _from_sharegpt(row: Row) -> Row | Fault:
    turns = next(row[key] for key in _TURN_KEYS if isinstance(row.get(key), list))
    messages: list[Row] = []
    system = row.get("system") or row.get("system_prompt")
    if isinstance(system, str) and system.strip():
        messages.append({"role": "system", "content": system})
    for number, turn in enumerate(turns, 1):
        message = _turn(turn)
        if message is None:
            return Fault("message-malformed", f"turn {number} is {_said(turn)}")
        messages.append(message)
    tools = row.get("tools")
    if isinstance(tools, str):
        tools = _json_or_none(tools)
    return {"messages": messages} | ({"tools": tools} if tools else {})


def _turn(turn: object) -> Row | None:
    if not isinstance(turn, dict):
        return None
    role = turn.get("role", turn.get("from"))
    content = turn.get("content", turn.get("value", turn.get("text")))
    if not isinstance(role, str) or not isinstance(content, str):
        return None
    return {"role": _ROLES.get(role.lower(), role), "content": content}


def _from_alpaca(row: Row) -> Row | Fault:
    answer = next(row[key] for key in _ANSWER_KEYS if key in row)
    parts = [row["instruction"], row.get("input") or row.get("context") or ""]
    if not isinstance(answer, str) or not all(isinstance(part, str) for part in parts):
        return Fault("field-not-text", "instruction, input and output must be text")
    messages: list[Row] = []
    if isinstance(row.get("system"), str) and row["system"].strip():
        messages.append({"role": "system", "content": row["system"]})
    for exchange in row.get("history") or ():
        if not isinstance(exchange, list) or len(exchange) != 2:
            return Fault("message-malformed", "'history' is not a list of question and answer")
        messages += _exchange(*exchange)
    return {"messages": messages + _exchange("\n\n".join(p for p in parts if p.strip()), answer)}


def _from_preference(row: Row) -> Row | Fault:
    """The chosen answer; the rejected one is of no use to this kind of training."""
    chosen, prompt = row["chosen"], row.get("prompt", row.get("question"))
    if isinstance(chosen, list):
        return {"messages": chosen}
    if not isinstance(chosen, str) or not isinstance(prompt, str):
        return Fault("field-not-text", "'prompt' and 'chosen' must be text")
    return {"messages": _exchange(prompt, chosen)}


def _from_pair(row: Row) -> Row | Fault:
    pair = _pair(row)
    assert pair is not None
    question, answer = (row[key] for key in pair)
    if not isinstance(question, str) or not isinstance(answer, str):
        return Fault("field-not-text", f"{pair[0]!r} and {pair[1]!r} must be text")
    return {"messages": _exchange(question, answer)}


_CONVERTERS: dict[str, Callable[[Row], Row | Fault]] = {
    SHAREGPT: _from_sharegpt,
    ALPACA: _from_alpaca,
    PREFERENCE: _from_preference,
    PAIR: _from_pair,
}


def _pair(row: Row) -> tuple[str, str] | None:
    return next((pair for pair in _PAIRS if pair[0] in row and pair[1] in row), None)


def _exchange(question: object, answer: object) -> list[Row]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _said(turn: object) -> str:
    if not isinstance(turn, dict):
        return kind_of(turn)
    return "without a sender or without text"
