"""Examples as tokens: the model's own tokenizer and chat template, or a rough estimate.

Renders and encodes as mlx-lm's data sets do (a test compares), in batches. transformers is
imported when a model is named, and takes a second.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cockpit.data.findings import Fault
from cockpit.data.lines import Row
from cockpit.data.rows import Example
from cockpit.errors import CockpitError
from cockpit.system.dataset import CHARACTERS_PER_TOKEN

# A text beyond this is estimated: it is cut at any usual length, and its tokens take memory.
LONGEST_ENCODED = 1_000_000
_THINKING = (
    ("<think>", "</think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<|think:start|>", "<|think:end|>"),
    ("<|channel>", "<channel|>"),
)


# Model types whose module in mlx-lm (0.32) names a renderer for checkpoints without a template.
_OWN_RENDERER = frozenset({"muse_spark"})


@dataclass(slots=True)
class Encoded:
    """An example's length in tokens, where its loss starts, and what went wrong."""

    length: int | None
    offset: int = 0
    faults: list[Fault] = field(default_factory=list)


class Encoder(Protocol):
    """Counts tokens. ``name`` is the model's; None for an estimate."""

    @property
    def name(self) -> str | None: ...

    def encode(self, examples: Sequence[Example]) -> list[Encoded]: ...


class Estimate:
    """Four characters a token, and four tokens for each message's markup."""

    name = None

    def __init__(self, mask_prompt: bool = False):
        self._mask_prompt = mask_prompt

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        return [self._encoded(example) for example in examples]

    def _encoded(self, example: Example) -> Encoded:
        length = _guess(example.characters) + 4 * len(example.messages or ())
        if not self._mask_prompt or not example.messages:
            return Encoded(length)
        return Encoded(length, length - _guess(len(example.texts[-1])))


class ModelTokens:
    """The tokenizer and chat template in a model's folder; CockpitError if there is none."""

    def __init__(
        self, name: str, folder: Path, mask_prompt: bool = False, trust_remote_code: bool = False
    ):
        self.name = name
        self._mask_prompt = mask_prompt
        self._tokenizer = _load(name, folder, trust_remote_code)
        self.control_tokens = frozenset(
            str(token) for token in self._tokenizer.added_tokens_decoder.values() if token.special
        )
        backend = self._tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        vocabulary = self._tokenizer.get_vocab()
        self._thinks = any(a in vocabulary and b in vocabulary for a, b in _THINKING)
        self.has_template = self._tokenizer.chat_template is not None
        # mlx-lm renders these by code of its own.
        self.own_renderer = "chat_template_type" in self._tokenizer.init_kwargs or (
            not self.has_template and _model_type(folder) in _OWN_RENDERER
        )

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        found = [Encoded(None) for _ in examples]
        for i, example in enumerate(examples):
            if example.characters > LONGEST_ENCODED:
                found[i] = Encoded(_guess(example.characters), faults=[Fault("estimated")])
        open_ones = [i for i in range(len(examples)) if found[i].length is None]
        self._encode_texts(examples, found, [i for i in open_ones if not examples[i].messages])
        self._encode_chats(examples, found, [i for i in open_ones if examples[i].messages])
        return found

    def tokens_of(self, example: Example) -> tuple[list[int], Encoded]:
        """One example's tokens, as the trainer gets them."""
        encoded = self.encode([example])[0]
        if encoded.length is None:
            return [], encoded
        if not example.messages:
            return self._ids(example.texts[0], special=True), encoded
        rendered = self.render(example.messages, example.tools)
        return self._ids(rendered, special=False), encoded

    def text_of(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def render(self, messages: list[Row], tools: list[Any] | None, prompt: bool = False) -> str:
        """A conversation as text; raises whatever the template does."""
        return str(
            self._tokenizer.apply_chat_template(
                messages,
                tools=tools,
                tokenize=False,
                add_generation_prompt=prompt,
                enable_thinking=self._thinks,
            )
        )

    def _encode_texts(
        self, examples: Sequence[Example], found: list[Encoded], which: list[int]
    ) -> None:
        eos = self._tokenizer.eos_token_id
        encodings = self._encode_all([examples[i].texts[0] for i in which], special=True)
        for i, encoding in zip(which, encodings, strict=True):
            if encoding is None:
                found[i].faults.append(Fault("not-tokenizable"))
                continue
            ids = encoding.ids
            found[i].length = len(ids) + (not ids or ids[-1] != eos)

    def _encode_chats(
        self, examples: Sequence[Example], found: list[Encoded], which: list[int]
    ) -> None:
        rendered = self._render_all([examples[i] for i in which], [found[i] for i in which])
        which = [i for i, text in zip(which, rendered, strict=True) if text is not None]
        texts = [text for text in rendered if text is not None]
        for i, text, encoding in zip(
            which, texts, self._encode_all(texts, special=False), strict=True
        ):
            if encoding is None:
                found[i].faults.append(Fault("not-tokenizable"))
            else:
                found[i].length = len(encoding)
                found[i].faults += self._rendering_faults(examples[i], text)
        if self._mask_prompt:
            self._find_offsets(examples, found, which, texts)

    def _render_all(self, examples: list[Example], found: list[Encoded]) -> list[str | None]:
        """All at once if the template takes them all, else one by one."""
        if not self.has_template:
            for encoded in found:
                encoded.faults.append(Fault("template-missing"))
            return [None] * len(examples)
        if examples and not any(example.tools for example in examples):
            try:
                return list(
                    self._tokenizer.apply_chat_template(
                        [example.messages for example in examples],
                        tokenize=False,
                        enable_thinking=self._thinks,
                    )
                )
            except Exception:
                pass  # one of them; which one, and why, is found below
        return [self._rendered(e, f) for e, f in zip(examples, found, strict=True)]

    def _rendered(self, example: Example, encoded: Encoded) -> str | None:
        assert example.messages is not None
        try:
            return self.render(example.messages, example.tools)
        except Exception as error:
            said = str(error).splitlines() or [""]
            encoded.faults.append(Fault("template-refuses", f"{type(error).__name__}: {said[0]}"))
            return None

    def _rendering_faults(self, example: Example, text: str) -> list[Fault]:
        found = []
        for number, message in enumerate(example.messages or (), 1):
            content = message.get("content")
            if isinstance(content, str) and content.strip() not in text:
                said = f"message {number} ({message['role']}) is not in it as written"
                found.append(Fault("template-drops", said))
                break
        else:
            if example.tools and (name := _tool_name(example.tools[0])) and name not in text:
                found.append(Fault("template-drops", f"the tool {name!r} is not in it"))
        if not text.rstrip().endswith(tuple(self.control_tokens)):
            found.append(Fault("template-no-end"))
        return found

    def _find_offsets(
        self,
        examples: Sequence[Example],
        found: list[Encoded],
        which: list[int],
        texts: list[str],
    ) -> None:
        prompts = [self._prompt(examples[i], found[i]) for i in which]
        encodings = self._encode_all([prompt or "" for prompt in prompts], special=False)
        for i, text, prompt, encoding in zip(which, texts, prompts, encodings, strict=True):
            if prompt is None or encoding is None:
                continue
            found[i].offset = len(encoding)
            if not text.startswith(prompt):
                found[i].faults.append(Fault("mask-misaligned"))

    def _prompt(self, example: Example, encoded: Encoded) -> str | None:
        """What mask_prompt hides, rendered: everything before the last message."""
        assert example.messages is not None
        *before, last = example.messages
        if not before:
            return None  # noted as mask-single-message
        try:
            return self.render(before, example.tools, prompt=last["role"] == "assistant")
        except Exception as error:
            said = f"without the last message: {type(error).__name__}: {error}"
            encoded.faults.append(Fault("template-refuses", said.splitlines()[0]))
            encoded.length = None
            return None

    def _encode_all(self, texts: list[str], *, special: bool) -> list[Any]:
        """Encodings; None for a text that the tokenizer refuses."""
        if not texts:
            return []
        try:
            return list(self._backend.encode_batch_fast(texts, add_special_tokens=special))
        except Exception:
            return [self._encode_one(text, special=special) for text in texts]

    def _encode_one(self, text: str, *, special: bool) -> Any:
        try:
            return self._backend.encode(text, add_special_tokens=special)
        except Exception:
            return None

    def _ids(self, text: str, *, special: bool) -> list[int]:
        ids: list[int] = self._backend.encode(text, add_special_tokens=special).ids
        if special and (not ids or ids[-1] != self._tokenizer.eos_token_id):
            ids.append(self._tokenizer.eos_token_id)
        return ids


def _load(name: str, folder: Path, trust_remote_code: bool) -> Any:
    # Or it complains on standard error that there is no PyTorch, which nothing here needs.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except Exception as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise CockpitError(
            "The model's tokenizer cannot be loaded",
            f"{name}: {said[0]}",
            "Download the model again, or leave --model out for an estimate.",
        ) from error
    if not tokenizer.is_fast:
        raise CockpitError(
            "The model's tokenizer cannot be used here",
            f"{name}: it has no tokenizer.json",
            "Leave --model out for an estimate.",
        )
    return tokenizer


def _model_type(folder: Path) -> str | None:
    try:
        kind = json.loads((folder / "config.json").read_bytes()).get("model_type")
    except (OSError, ValueError, AttributeError):
        return None
    return kind if isinstance(kind, str) else None


def _guess(characters: int) -> int:
    return max(1, round(characters / CHARACTERS_PER_TOKEN))


def _tool_name(tool: object) -> str | None:
    if not isinstance(tool, dict):
        return None
    function = tool.get("function", tool)
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None
