"""One example in mlx-lm's layout: what of it is text, and what is wrong with its structure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

from cockpit.data.findings import Fault, kinds
from cockpit.data.lines import Row, kind_of
from cockpit.system.dataset_rows import ROLES

_MEDIA = frozenset({"image", "image_url", "input_image", "audio", "input_audio", "video"})


@dataclass(slots=True)
class Example:
    """A row that was looked at.

    ``texts`` are all its texts in order, roles among them, so that equal texts are equal
    examples. ``messages`` is what a chat template gets; None for plain text. ``faults`` are all
    that were found; an example with an error among them is not ``usable``.
    """

    texts: list[str] = field(default_factory=list)
    messages: list[Row] | None = None
    tools: list[Any] | None = None
    answered: bool = True
    faults: list[Fault] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        return not any(kinds()[fault.code].severity == "error" for fault in self.faults)

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))


def look_at(row: Row, mask_prompt: bool = False) -> Example:
    """Examines a row under mlx-lm's own names: messages, prompt and completion, or text."""
    example = Example()
    if "messages" in row:
        _look_at_chat(row, example)
        if mask_prompt and example.messages is not None and len(example.messages) == 1:
            example.faults.append(Fault("mask-single-message"))
    elif "text" in row:
        _look_at_text(row["text"], example)
        if mask_prompt:
            example.faults.append(Fault("mask-text"))
    else:
        _look_at_completion(row, example)
    if not any(text.strip() for text in example.texts) and example.usable:
        example.faults = [Fault("example-blank")]
    return example


def _look_at_text(text: object, example: Example) -> None:
    if not isinstance(text, str):
        example.faults.append(Fault("field-not-text", f"the text is {kind_of(text)}"))
        return
    example.texts.append(text)
    if not text:
        example.faults.append(Fault("text-empty"))


def _look_at_completion(row: Row, example: Example) -> None:
    for name in ("prompt", "completion"):
        value = row.get(name)
        if not isinstance(value, str):
            example.faults.append(Fault("field-not-text", f"the {name} is {kind_of(value)}"))
            return
        example.texts.append(value)
    prompt, completion = example.texts
    example.messages = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": completion},
    ]
    _look_at_tools(row, example)
    if not completion:
        example.faults.append(Fault("completion-empty"))
    elif completion.isspace():
        example.faults.append(Fault("answer-empty"))
    if not prompt.strip():
        example.faults.append(Fault("prompt-empty"))


def _look_at_chat(row: Row, example: Example) -> None:
    messages = row["messages"]
    if not isinstance(messages, list):
        example.faults.append(Fault("messages-not-a-list", f"they are {kind_of(messages)}"))
        return
    if not messages:
        example.faults.append(Fault("messages-empty"))
        return
    _look_at_tools(row, example)
    roles = []
    for number, message in enumerate(messages, 1):
        fault = _look_at_message(message, example)
        if fault is not None:
            said = f"message {number}: {fault.detail}" if fault.detail else f"message {number}"
            example.faults.append(Fault(fault.code, said))
            return
        roles.append(message["role"])
    if example.tools is None and any(message.get("tool_calls") for message in messages):
        example.faults.append(Fault("tools-missing"))
    example.messages = messages
    example.answered = "assistant" in roles
    example.faults += role_faults(tuple(roles))


def _look_at_tools(row: Row, example: Example) -> None:
    tools = row.get("tools")
    if tools is not None and not isinstance(tools, list):
        example.faults.append(Fault("tools-not-a-list", f"it is {kind_of(tools)}"))
    else:
        example.tools = tools


def _look_at_message(message: object, example: Example) -> Fault | None:
    """Takes a message's texts; a fault that makes the whole example unusable, if any."""
    if not isinstance(message, dict):
        return Fault("message-malformed", f"it is {kind_of(message)}")
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str):
        renamed = "; rename 'from' to 'role' and 'value' to 'content'" if "from" in message else ""
        return Fault("message-malformed", f"'role' is {_found(message, 'role')}{renamed}")
    example.texts.append(role)
    calls = message.get("tool_calls")
    if isinstance(content, str):
        example.texts.append(content)
        if not calls and (not content or content.isspace()):
            _note_blank(role, example)
    elif isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return _look_at_parts(content, example)
    elif not (content is None and calls):
        return Fault("message-malformed", f"'content' is {_found(message, 'content')}")
    if calls:
        return _look_at_calls(calls, example)
    return None


def _note_blank(role: str, example: Example) -> None:
    if role == "assistant":
        example.faults.append(Fault("answer-empty"))
    elif role == "user":
        example.faults.append(Fault("prompt-empty"))


def _look_at_parts(parts: list[Row], example: Example) -> Fault | None:
    if any(part.get("type") in _MEDIA for part in parts):
        return Fault("image-content")
    example.texts += [part["text"] for part in parts if isinstance(part.get("text"), str)]
    if not any(fault.code == "content-parts" for fault in example.faults):
        example.faults.append(Fault("content-parts"))
    return None


def _look_at_calls(calls: object, example: Example) -> Fault | None:
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        return Fault("message-malformed", "'tool_calls' is not a list of objects")
    for call in calls:
        function = call.get("function", call)
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            return Fault("message-malformed", "a tool call without the function's name")
        arguments = function.get("arguments")
        example.texts += [function["name"], str(arguments)]
        if isinstance(arguments, str):
            example.faults.append(Fault("tool-arguments-text"))
    return None


def _found(message: Row, key: str) -> str:
    return kind_of(message[key]) if key in message else "missing"


@lru_cache(maxsize=4096)
def role_faults(roles: tuple[str, ...]) -> tuple[Fault, ...]:
    """What is unusual about the order in which roles speak."""
    found = []
    unknown = next((role for role in roles if role not in ROLES), None)
    if unknown is not None:
        found.append(Fault("role-unknown", f"the role is {unknown!r}"))
    if any(role in ("system", "developer") for role in roles[1:]):
        found.append(Fault("system-not-first"))
    spoken = [role for role in roles if role not in ("system", "developer")]
    if spoken and spoken[0] == "assistant":
        found.append(Fault("starts-with-assistant"))
    for number, pair in enumerate(pairwise(spoken), 2):
        if pair[0] == pair[1] and pair[0] in ("user", "assistant"):
            found.append(Fault("role-order", f"{pair[0]} twice in a row, turn {number}"))
            break
    for before, role in zip(["", *spoken], spoken, strict=False):
        if role in ("tool", "function", "ipython") and before not in ("assistant", role):
            found.append(Fault("tool-out-of-place"))
            break
    if "assistant" not in roles:
        found.append(Fault("no-assistant"))
    elif roles[-1] != "assistant":
        found.append(Fault("ends-without-answer", f"it ends with {roles[-1]!r}"))
    return tuple(found)
