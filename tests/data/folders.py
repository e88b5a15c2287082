"""Small data sets on disk: whole ones, and every way of being broken that has a name."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Files = dict[str, bytes]


def line(row: Any) -> bytes:
    return json.dumps(row).encode() + b"\n"


def lines(*rows: Any) -> bytes:
    """Objects as JSON lines; bytes as they are."""
    return b"".join(row if isinstance(row, bytes) else line(row) for row in rows)


def chat(question: str, answer: str, *before: dict[str, Any]) -> dict[str, Any]:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": [*before, *turns]}


def says(role: str, content: Any = "well") -> dict[str, Any]:
    return {"role": role, "content": content}


def messages(*turns: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(turns)}


# Enough different examples that nothing is found in them.
GOOD = [chat(f"What is {i} and {i}?", f"It is {i + i}.") for i in range(60)]
VALID = lines(*(chat(f"Is {i} odd?", "Yes." if i % 2 else "No.") for i in range(8)))


def train(*rows: Any, **more: bytes) -> Files:
    """A folder whose train.jsonl has these rows after sound ones of the same kind."""
    return {"train.jsonl": lines(*GOOD, *rows), "valid.jsonl": VALID} | more


def alone(content: bytes, name: str = "train.jsonl") -> Files:
    return {name: content, "valid.jsonl": VALID}


@dataclass(frozen=True)
class Case:
    """A broken data set: its files, and the codes of everything that must be found, no more.

    ``model`` names a stand-in of ``conftest.py``; ``plan`` are fields of the plan.
    """

    name: str
    files: Files
    codes: tuple[str, ...]
    plan: dict[str, Any] = field(default_factory=dict)
    model: str = ""


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {}}}
CALL = {"function": {"name": "weather", "arguments": {"city": "Rome"}}}
TEXTS = [{"text": f"Sentence number {i} of the book."} for i in range(60)]
PAIRS = [{"prompt": f"{i}?", "completion": f"{i}!"} for i in range(60)]
ONE: dict[str, Any] = {"batch_size": 1}  # so that nothing is padded
LONG = " ".join(["word"] * 2000)

FILES = [
    Case("nothing there", {}, ("folder-empty",)),
    Case("no data in it", {"photo.png": b"\x89PNG"}, ("no-train",)),
    Case("an empty file", alone(b""), ("train-empty",)),
    Case("only empty lines", alone(b"\n\n  \n"), ("train-empty", "empty-line")),
    Case("no validation", {"train.jsonl": lines(*GOOD)}, ("no-valid",)),
    Case(
        "empty validation",
        {"train.jsonl": lines(*GOOD), "valid.jsonl": b""},
        ("split-empty", "no-valid"),
    ),
    Case(
        "validation under another name",
        {"train.jsonl": lines(*GOOD), "validation.jsonl": VALID},
        ("misnamed", "no-valid"),
    ),
    Case("other files beside", train(**{"old.jsonl": b"x"}), ("not-read",)),
    Case(
        "training file under another name", alone(lines(*GOOD), "data.jsonl"), ("misnamed-train",)
    ),
    Case("UTF-16", alone(lines(*GOOD).decode().encode("utf-16")), ("utf-16",)),
    Case("gzip", alone(b"\x1f\x8b\x08\x00rest"), ("compressed",)),
    Case(
        "a Git LFS pointer",
        alone(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
        ("lfs-pointer",),
    ),
    Case("a saved web page", alone(b"<!DOCTYPE html>\n<html></html>\n"), ("web-page",)),
    Case("a JSON array", alone(json.dumps(GOOD).encode()), ("json-document",)),
    Case(
        "pretty-printed objects",
        alone("\n".join(json.dumps(row, indent=2) for row in GOOD).encode()),
        ("json-document",),
    ),
    Case("a byte order mark", alone(b"\xef\xbb\xbf" + lines(*GOOD)), ("byte-order-mark",)),
    Case("an empty line", train(b"\n"), ("empty-line",)),
]

LINES = [
    Case("Latin-1", train('{"text": "caf\xe9"}\n'.encode("latin-1")), ("not-utf8",)),
    Case("binary", alone(bytes(range(256)) * 4), ("not-utf8", "invalid-json")),
    Case("NUL bytes", train(b"\x00\x00\x00\x00\n"), ("invalid-json",)),
    Case("a broken line", train(b'{"messages": [\n'), ("invalid-json",)),
    Case("two objects on a line", train(b'{"a": 1}{"b": 2}\n'), ("invalid-json",)),
    Case("cut off at the end", train(b'{"messages": [{"role": "us'), ("cut-off",)),
    Case("Python's repr", train(b"{'messages': []}\n"), ("python-literal",)),
    Case("Python's None", train(b'{"messages": None}\n'), ("python-literal",)),
    Case("a list on a line", train(b"[1, 2]\n"), ("not-an-object",)),
    Case("a number of 5,000 digits", train(b'{"text": ' + b"9" * 5000 + b"}\n"), ("invalid-json",)),
    Case("deep nesting", train(b'{"a":' + b"[" * 100_000 + b"\n"), ("nested-too-deep",)),
    Case("unknown keys", alone(lines({"colour": "red"})), ("unknown-format",)),
    Case("mixed formats", train(TEXTS[0]), ("mixed-formats",)),
    Case("a number for a text", alone(lines(*TEXTS, {"text": 5})), ("field-not-text",)),
    Case(
        "a null completion",
        alone(lines(*PAIRS, {"prompt": "a", "completion": None})),
        ("field-not-text",),
    ),
    Case("messages as text", train({"messages": "hi"}), ("messages-not-a-list",)),
    Case("no messages", train({"messages": []}), ("messages-empty",)),
    Case("a message without a role", train(messages({"content": "hi"})), ("message-malformed",)),
    Case("a message that is a text", train(messages("hi")), ("message-malformed",)),  # type: ignore[arg-type]
    Case("content that is a number", train(messages(says("user", 5))), ("message-malformed",)),
    Case("tools as text", train(GOOD[0] | {"tools": "[]"}), ("tools-not-a-list",)),
    Case("an empty text", alone(lines(*TEXTS, {"text": ""})), ("text-empty",)),
    Case(
        "an empty completion",
        alone(lines(*PAIRS, {"prompt": "a", "completion": ""})),
        ("completion-empty",),
    ),
    Case("half an emoji", train(chat("Smile!", "\ud83d")), ("lone-surrogate",)),
    Case(
        "an image",
        train(messages(says("user", [{"type": "image_url"}]), says("assistant"))),
        ("image-content",),
    ),
    Case("one character out of range", train(b'{"text": "\\uZZZZ"}\n'), ("invalid-json",)),
]

ROLES = [
    Case("an unknown role", train(messages(says("User"), says("assistant"))), ("role-unknown",)),
    Case(
        "two questions",
        train(messages(says("user"), says("user", "b"), says("assistant"))),
        ("role-order",),
    ),
    Case(
        "system at the end",
        train(messages(says("user"), says("assistant"), says("system", "be brief"))),
        ("system-not-first", "ends-without-answer"),
    ),
    Case(
        "the assistant first",
        train(messages(says("assistant"), says("user"), says("assistant"))),
        ("starts-with-assistant",),
    ),
    Case("no answer", train(messages(says("user", "hello"))), ("no-assistant",)),
    Case(
        "no answer anywhere",
        alone(lines(*(messages(says("user", f"{i}?")) for i in range(60)))),
        ("no-assistant", "no-assistant-at-all"),
    ),
    Case(
        "a question last",
        train(messages(says("user"), says("assistant"), says("user", "so?"))),
        ("ends-without-answer",),
    ),
    Case("an empty answer", train(chat("hm?", "")), ("answer-empty",)),
    Case("an empty question", train(chat("  ", "yes")), ("prompt-empty",)),
    Case("white space only", alone(lines(*TEXTS, {"text": " \n "})), ("example-blank",)),
    Case(
        "a tool's result out of nowhere",
        train(messages(says("user"), says("tool"), says("assistant"))),
        ("tool-out-of-place",),
    ),
    Case(
        "arguments as text",
        train(
            messages(
                says("user"),
                says("assistant", "")
                | {"tool_calls": [{"function": {"name": "weather", "arguments": "{}"}}]},
            )
            | {"tools": [TOOL]}
        ),
        ("tool-arguments-text",),
    ),
    Case(
        "calls without tools",
        train(messages(says("user"), says("assistant", "") | {"tool_calls": [CALL]})),
        ("tools-missing",),
    ),
    Case(
        "content in parts",
        train(messages(says("user", [{"type": "text", "text": "hi"}]), says("assistant"))),
        ("content-parts",),
    ),
]

TEXT = [
    Case("a typed end of turn", train(chat("hm?", "yes<|im_end|>")), ("control-token",)),
    Case("Llama's instruction marks", train(chat("[INST] hm? [/INST]", "yes")), ("control-token",)),
    Case(
        "ChatML as text",
        alone(lines(*({"text": f"<|im_start|>user\n{i}?<|im_end|>\n"} for i in range(60)))),
        ("template-in-text",),
    ),
    Case(
        "Gemma's turns as text",
        alone(lines(*({"text": f"<start_of_turn>user\n{i}?<end_of_turn>\n"} for i in range(60)))),
        ("template-in-text",),
    ),
    Case("terminal colours", train(chat("hm?", "\x1b[31mred")), ("control-characters",)),
    Case("NUL in the text", train(chat("hm?", "a\0b")), ("control-characters",)),
    Case("lost characters", train(chat("hm?", "caf\ufffd")), ("replacement-character",)),
    Case("UTF-8 read as Windows-1252", train(chat("hm?", "cafÃ©")), ("mojibake",)),
    Case("a curly quote read so", train(chat("hm?", "itâ€™s")), ("mojibake",)),
    Case("an example twice", train(GOOD[3]), ("duplicate",)),
    Case(
        "twice but for capitals", train(chat("WHAT is 3  and 3?", "It is 6.")), ("near-duplicate",)
    ),
    Case(
        "training examples in validation",
        {"train.jsonl": lines(*GOOD), "valid.jsonl": lines(*GOOD[:8])},
        ("leak",),
    ),
    Case(
        "nearly the same in test",
        train(**{"test.jsonl": lines(chat("what is 3 and 3?", "it is 6."))}),
        ("near-leak",),
    ),
    Case("too long", train(chat("hm?", LONG)), ("truncated",), ONE | {"max_seq_length": 512}),
    Case("enormous", train(chat("hm?", "word " * 40_000)), ("truncated", "enormous"), ONE),
    Case(
        "a book on one line",
        train(chat("hm?", "word " * 300_000)),
        ("truncated", "enormous", "estimated"),
        ONE,
        "nano",
    ),
    Case("few examples", alone(lines(*GOOD[:9])), ("few-examples",)),
    Case("fewer than a batch", alone(lines(*GOOD[:3])), ("fewer-than-a-batch", "few-examples")),
    Case(
        "little to validate on",
        {"train.jsonl": lines(*GOOD), "valid.jsonl": line(chat("a", "b"))},
        ("valid-fewer-than-a-batch",),
    ),
    Case(
        "long ones among short ones",
        train(*(chat(f"{i}?", LONG) for i in range(3))),
        ("padding",),
        {"batch_size": 8, "max_seq_length": 4096},
    ),
]

MASK: dict[str, Any] = {"mask_prompt": True}
MASKED = [
    Case("text has no prompt", alone(lines(*TEXTS)), ("mask-text",), MASK),
    Case(
        "one message",
        train(messages(says("assistant"))),
        ("mask-single-message", "starts-with-assistant"),
        MASK,
    ),
    Case(
        "a prompt longer than all",
        train(chat(LONG, "yes")),
        ("mask-nothing-left",),
        MASK | ONE | {"max_seq_length": 512},
    ),
    Case(
        "nothing left anywhere",
        alone(lines(*(chat(f"{i} {LONG}", "yes") for i in range(60)))),
        ("mask-nothing-left", "mask-nothing-at-all"),
        MASK | {"max_seq_length": 512},
    ),
    Case("the template turns the prompt round", train(), ("mask-misaligned",), MASK, "two-faced"),
]

TEMPLATES = [
    Case(
        "no system role",
        train(chat("a", "b", says("system"))),
        ("template-refuses",),
        model="gemma-like",
    ),
    Case(
        "strict turns",
        train(messages(says("user"), says("user", "b"), says("assistant"))),
        ("role-order", "template-refuses"),
        model="gemma-like",
    ),
    Case("a template that is code of mlx-lm", train(), ("template-unknown",), {}, "own-renderer"),
    Case("no template at all", train(), ("template-missing",), model="base"),
    Case(
        "thoughts are dropped",
        train(chat("a", "<think>hm</think>b")),
        ("template-drops",),
        model="forgetful",
    ),
    Case(
        "tools are ignored",
        train(GOOD[0] | {"tools": [TOOL]}),
        ("template-drops", "duplicate"),
        model="nano",
    ),
    Case("no end of turn", train(), ("template-no-end",), model="endless"),
    Case(
        "the model's own control token",
        train(chat("a", "b<|pad|>c")),
        ("control-token",),
        model="nano",
    ),
]

FOREIGN = [
    Case(
        "ShareGPT",
        alone(
            lines(
                *(
                    {
                        "conversations": [
                            {"from": "human", "value": f"{i}?"},
                            {"from": "gpt", "value": f"{i}!"},
                        ]
                    }
                    for i in range(60)
                )
            )
        ),
        ("needs-conversion",),
    ),
    Case(
        "Alpaca in one document",
        alone(
            json.dumps(
                [{"instruction": f"{i}?", "input": "", "output": f"{i}!"} for i in range(60)]
            ).encode(),
            "alpaca.json",
        ),
        ("needs-conversion",),
    ),
    Case(
        "question and answer",
        alone(lines(*({"question": f"{i}?", "answer": f"{i}!"} for i in range(60)))),
        ("needs-conversion",),
    ),
    Case(
        "preferences",
        alone(lines(*({"prompt": f"{i}?", "chosen": "a", "rejected": "b"} for i in range(60)))),
        ("needs-conversion",),
    ),
    Case(
        "a table",
        alone(
            b"prompt;completion\n" + b"".join(b"%d?;%d!\n" % (i, i) for i in range(60)), "train.csv"
        ),
        ("needs-conversion",),
    ),
    Case(
        "a ragged table",
        alone(
            b"prompt,completion\n" + b"".join(b"%d?,%d!\n" % (i, i) for i in range(60)) + b"x\n",
            "train.csv",
        ),
        ("needs-conversion", "table-broken"),
    ),
    Case(
        "a table in Latin-1",
        alone(
            b"prompt,completion\n"
            + b"".join(b"%d?,%d!\n" % (i, i) for i in range(60))
            + b"caf\xe9,y\n",
            "train.csv",
        ),
        ("needs-conversion", "not-utf8"),
    ),
    Case(
        "a book",
        alone(b"\n\n".join(b"Paragraph %d." % i for i in range(60)), "book.txt"),
        ("needs-conversion", "fewer-than-a-batch", "few-examples"),
    ),
    Case(
        "a document that breaks off",
        alone(json.dumps(GOOD).encode()[:-20], "data.json"),
        ("needs-conversion", "cut-off"),
    ),
]

CASES = [*FILES, *LINES, *ROLES, *TEXT, *MASKED, *TEMPLATES, *FOREIGN]


def make(folder: Path, files: Files) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
