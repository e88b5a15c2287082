"""Tokenizers that stand in for model families: nano's, with another chat template each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.data.tokens import ModelTokens
from cockpit.embedded import nano_path

TURNS = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
GENERATION = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
TEMPLATES: dict[str, str | None] = {
    "base": None,
    "own-renderer": None,
    "gemma-like": (
        "{% for m in messages %}"
        "{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% endfor %}"
        + TURNS
        + GENERATION
    ),
    "forgetful": TURNS.replace("{{ m.content }}", "{{ m.content.split('</think>')[-1] }}"),
    "endless": "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
    "two-faced": "{{ messages | length }}" + TURNS + GENERATION,
}


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ModelTokens]:
    """Tokens of nano, or of it with one of TEMPLATES."""

    def load(name: str, mask_prompt: bool = False) -> ModelTokens:
        if name == "nano":
            return ModelTokens(name, nano_path(), mask_prompt)
        folder = tmp_path_factory.mktemp(name)
        for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            shutil.copy(nano_path() / file, folder)
        path: Path = folder / "tokenizer_config.json"
        settings = json.loads(path.read_text())
        settings["chat_template"] = TEMPLATES[name]
        if TEMPLATES[name] is None:
            del settings["chat_template"]
        if name == "own-renderer":
            settings["chat_template_type"] = "deepseek_v32"
        path.write_text(json.dumps(settings))
        return ModelTokens(name, folder, mask_prompt)

    return load
