"""Doctor's checks of what a model needs beside mlx: tokenizers, and the hub's cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from cockpit.system import hub_folders
from cockpit.system.checks import Check, Status
from cockpit.system.software import installed_version

# A missing one keeps only models from loading whose tokenizer has no tokenizer.json.
_OPTIONAL = {"sentencepiece": "tokenizer.model", "tiktoken": "*.tiktoken"}
_OFF = ("", "0", "off", "no", "false")


def tokenizer_check(version: Callable[[str], str | None] = installed_version) -> Check:
    """The packages that read tokenizers; without the first two no model can be used."""
    shown, missing = [], []
    for name in ("transformers", "tokenizers"):
        found = version(name)
        shown.append(f"{name} {found or 'n/a'}")
        missing += [] if found else [name]
    if missing:
        remedy = f"pip install {' '.join(missing)}"
        return Check("Tokenizers", "fail", ", ".join(shown), remedy)
    absent = [name for name in _OPTIONAL if version(name) is None]
    if not absent:
        return Check("Tokenizers", "ok", ", ".join(shown))
    only = " or ".join(_OPTIONAL[name] for name in absent)
    remedy = f"Only if a model comes with {only} alone: pip install {' '.join(absent)}"
    return Check("Tokenizers", "info", ", ".join(shown), remedy)


def hub_check(environ: Mapping[str, str]) -> Check:
    """Where models are looked for, by huggingface_hub's own rules; nothing is measured."""
    cache = hub_folders.cache(environ)
    notes = ["offline by HF_HUB_OFFLINE"] if _is_on(environ.get("HF_HUB_OFFLINE")) else []
    notes += [] if _has_token(environ) else ["no token, so no gated models"]
    if not cache.is_dir():
        return _with(notes, "info", f"{cache} (not there yet)")
    try:
        models = sum(1 for entry in cache.iterdir() if entry.name.startswith("models--"))
    except OSError as error:
        remedy = "Make it readable, or set HF_HUB_CACHE."
        return Check("Hugging Face cache", "warn", f"{cache}: {error.strerror}", remedy)
    value = f"{cache}, {models} model{'s' * (models != 1)}"
    if not os.access(cache, os.W_OK):
        remedy = "Make it writable, or set HF_HUB_CACHE: nothing can be downloaded into it."
        return Check("Hugging Face cache", "warn", f"{value}, not writable", remedy)
    return _with(notes, "ok", value)


def _has_token(environ: Mapping[str, str]) -> bool:
    """Whether there is one; what it is is nobody's business here."""
    if environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN"):
        return True
    return Path(environ.get("HF_TOKEN_PATH") or hub_folders.home(environ) / "token").is_file()


def _is_on(value: str | None) -> bool:
    return (value or "").strip().lower() not in _OFF


def _with(notes: list[str], status: Status, value: str) -> Check:
    return Check("Hugging Face cache", status, "; ".join([value, *notes]))
