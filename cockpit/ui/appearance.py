"""Dark or light: ``COCKPIT_THEME``, else what was chosen last, else what the terminal says."""

from __future__ import annotations

import os
from contextlib import suppress

from cockpit.system.home import home

FILE = "appearance"
DARK, BRIGHT = "dark", "light"
# Colours of the 16 that are a light background, as COLORFGBG names them.
_LIGHT_BACKGROUNDS = frozenset({"7", "15"})


def appearance() -> str:
    """``dark`` or ``light``."""
    if (asked := os.environ.get("COCKPIT_THEME", "").lower()) in (DARK, BRIGHT):
        return asked
    with suppress(OSError, UnicodeDecodeError):
        if (kept := (home() / FILE).read_text(encoding="utf-8").strip()) in (DARK, BRIGHT):
            return kept
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return BRIGHT if background in _LIGHT_BACKGROUNDS else DARK


def remember(chosen: str) -> None:
    """For the next time; that it cannot be kept is no reason to stay in the dark."""
    with suppress(OSError):
        home().mkdir(parents=True, exist_ok=True)
        (home() / FILE).write_text(f"{chosen}\n", encoding="utf-8")
