"""Where huggingface_hub keeps what it downloads: the environment decides as it does there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cockpit.system.typed_path import expanded


def home(environ: Mapping[str, str]) -> Path:
    """HF_HOME, else the XDG cache's huggingface."""
    if chosen := environ.get("HF_HOME"):
        return expanded(os.path.expandvars(chosen))
    return expanded(environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"


def cache(environ: Mapping[str, str]) -> Path:
    """HF_HUB_CACHE, else its older name, else ``home``'s hub."""
    if chosen := environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE"):
        return expanded(os.path.expandvars(chosen))
    return home(environ) / "hub"
