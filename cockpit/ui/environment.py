"""What the terminal's surroundings ask for, decided before textual is imported.

Textual reads ``TEXTUAL_*`` once, at import. What the person has set wins.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass

# Over SSH every repaint is sent. Figures move once a second; thirty frames are for the answer to a
# key, which takes two or three: at ten a second, the last of them came 0.2 s late.
REMOTE_DEFAULTS = {
    "TEXTUAL_FPS": "30",
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",
}
YES = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``remote``: over SSH, so repaint less. ``mouse``: whether to ask for its events."""

    remote: bool
    mouse: bool

    @property
    def poll_seconds(self) -> float:
        """Pause between two looks at a run's files."""
        return 1.0 if self.remote else 0.5


def look(environ: MutableMapping[str, str] = os.environ) -> Surroundings:
    """Reads the environment. ``COCKPIT_REMOTE`` and ``COCKPIT_MOUSE`` (1 or 0) overrule it."""
    remote = _chosen(environ, "COCKPIT_REMOTE", bool(environ.get("SSH_CONNECTION")))
    return Surroundings(remote, _chosen(environ, "COCKPIT_MOUSE", not remote))


def prepare(environ: MutableMapping[str, str] = os.environ) -> Surroundings:
    """``look``, and the ``TEXTUAL_*`` defaults that follow from it are set in ``environ``."""
    surroundings = look(environ)
    if surroundings.remote:
        for name, value in REMOTE_DEFAULTS.items():
            environ.setdefault(name, value)
    return surroundings


def _chosen(environ: MutableMapping[str, str], name: str, default: bool) -> bool:
    value = environ.get(name, "").strip().lower()
    return value in YES if value else default
