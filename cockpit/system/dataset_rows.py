"""One line of a data set: what mlx-lm would make of it, and what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from cockpit.core.plan import RunPlan

Format = Literal["chat", "tools", "completions", "text"]
Severity = Literal["error", "warning"]

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function", "ipython"})


@dataclass(frozen=True, slots=True)
class DataKeys:
    """The plan's ``*_feature`` fields: under which keys a line keeps its parts."""

    prompt: str = "prompt"
    completion: str = "completion"
    chat: str = "messages"
    text: str = "text"

    @classmethod
    def of(cls, plan: RunPlan) -> DataKeys:
        return cls(
            plan.prompt_feature, plan.completion_feature, plan.chat_feature, plan.text_feature
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a line. ``column`` is 1-based, where the JSON breaks."""

    message: str
    severity: Severity = "error"
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A readable line: its format and the characters of its texts."""

    format: Format
    characters: int
    finding: Finding | None = None


def parse(line: bytes) -> dict[str, Any] | Finding:
    """The object on a line, or what keeps it from being one."""
    try:
        value = json.loads(line.rstrip(b"\r\n").decode())
    except UnicodeDecodeError as error:
        return Finding(f"not UTF-8: byte {line[error.start]:#04x}", column=error.start + 1)
    except json.JSONDecodeError as error:
        return _broken(error)
    except ValueError:
        return Finding("not valid JSON: a number of thousands of digits")
    except RecursionError:
        return Finding("not usable: nested too deeply")
    if not isinstance(value, dict):
        return Finding(f"expected an object {{...}}, found {_kind(value)}")
    return value


def format_of(row: dict[str, Any], keys: DataKeys) -> Format | None:
    """The format mlx-lm takes a whole file to have when ``row`` is its first line."""
    if keys.prompt in row and keys.completion in row:
        return "completions"
    if keys.chat in row:
        return "tools" if row.get("tools") is not None else "chat"
    return "text" if keys.text in row else None


def unknown_format(row: dict[str, Any], keys: DataKeys) -> Finding:
    found = ", ".join(repr(key) for key in list(row)[:6]) or "no keys"
    hint = ""
    if "conversations" in row:
        hint = "; rename 'conversations' to 'messages', with 'role' and 'content' in each"
    return Finding(
        f"no {keys.chat!r}, no {keys.prompt!r} with {keys.completion!r}, and no {keys.text!r}: "
        f"found {found}{hint}"
    )


def check(row: dict[str, Any], expected: Format, keys: DataKeys) -> Row:
    """A line against the format of the file's first one, as mlx-lm reads it."""
    if expected == "completions":
        return _check_texts(row, expected, (keys.prompt, keys.completion))
    if expected == "text":
        return _check_texts(row, expected, (keys.text,))
    tools = row.get("tools")
    if tools is not None and not isinstance(tools, list):
        return Row(expected, 0, Finding(f"'tools' is {_kind(tools)}, expected a list"))
    return _check_messages(row, "chat" if tools is None else "tools", keys)


def _check_texts(row: dict[str, Any], expected: Format, names: tuple[str, ...]) -> Row:
    characters = 0
    for name in names:
        value = row.get(name)
        if not isinstance(value, str):
            found = f"{name!r} is {_kind(value)}" if name in row else f"{name!r} is missing"
            return Row(expected, 0, Finding(f"{found}, expected text as in the file's first line"))
        characters += len(value)
    if not row[names[-1]]:
        return Row(expected, characters, Finding(f"{names[-1]!r} is empty"))
    return Row(expected, characters)


def _check_messages(row: dict[str, Any], expected: Format, keys: DataKeys) -> Row:
    messages = row.get(keys.chat)
    if not isinstance(messages, list):
        found = _kind(messages) if keys.chat in row else "missing"
        finding = Finding(f"{keys.chat!r} is {found}, expected a list as in the file's first line")
        return Row(expected, 0, finding)
    if not messages:
        return Row(expected, 0, Finding(f"{keys.chat!r} is an empty list"))
    characters, answered, last, warning = 0, False, None, None
    for number, message in enumerate(messages, 1):
        size = _message_size(message)
        if size is None:
            where = f"{keys.chat!r}, message {number}"
            return Row(expected, 0, Finding(f"{where}: {_message_fault(message)}"))
        characters += size
        last = message["role"]
        answered = answered or last == "assistant"
        if last not in ROLES and warning is None:
            warning = f"{keys.chat!r}, message {number}: unusual role {last!r}"
    if warning is None and not answered:
        warning = f"{keys.chat!r} has no assistant message: there is no answer to learn"
    elif warning is None and last != "assistant":
        warning = f"{keys.chat!r} ends with a {last!r} message, not with an answer"
    return Row(expected, characters, Finding(warning, "warning") if warning else None)


def _message_size(message: Any) -> int | None:
    """Characters of a message's content; None if a chat template could not use it."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        return None
    content = message.get("content")
    if isinstance(content, str):
        return len(content)
    if content is None:
        return 0 if message.get("tool_calls") else None
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts = (part.get("text") for part in content)
        return sum(len(text) for text in texts if isinstance(text, str))
    return None


def _message_fault(message: Any) -> str:
    if not isinstance(message, dict):
        return f"{_kind(message)}, expected an object with 'role' and 'content'"
    if "role" not in message:
        if "from" in message:
            return "'role' is missing; rename 'from' to 'role' and 'value' to 'content'"
        return "'role' is missing"
    if not isinstance(message["role"], str):
        return f"'role' is {_kind(message['role'])}, expected text"
    if "content" not in message:
        return "'content' is missing"
    return f"'content' is {_kind(message['content'])}, expected text"


def _broken(error: json.JSONDecodeError) -> Finding:
    said = error.msg[0].lower() + error.msg[1:]
    if error.msg == "Extra data":
        said = "something follows the object; each needs a line of its own"
    return Finding(f"not valid JSON: {said}", column=error.colno)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")
