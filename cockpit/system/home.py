"""Where runs, calibration and user profiles live."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """``COCKPIT_HOME`` if set, else the platform's data directory for ``mlx-cockpit``."""
    if chosen := os.environ.get("COCKPIT_HOME"):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("mlx-cockpit", appauthor=False)


def runs_folder() -> Path:
    return home() / "runs"
