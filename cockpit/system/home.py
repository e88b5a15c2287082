"""Where runs, calibration, user profiles and keys live."""

from __future__ import annotations

import os
from pathlib import Path

KEYS_FILE = "keys.toml"


def home() -> Path:
    """``COCKPIT_HOME`` if set, else the platform's data directory for ``mlx-cockpit``."""
    if chosen := os.environ.get("COCKPIT_HOME"):
        from cockpit.system.typed_path import expanded

        return expanded(chosen).absolute()
    from platformdirs import user_data_path

    return user_data_path("mlx-cockpit", appauthor=False)


def runs_folder() -> Path:
    return home() / "runs"


def keys_path() -> Path:
    """The file with keys of one's own, which need not exist."""
    return home() / KEYS_FILE
