"""Doctor's check of the terminal: what it can show, and whether the cockpit fits in it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping

from cockpit.system.checks import Check

_SMALLEST_SCREEN = (80, 24)


def terminal_check(
    environ: Mapping[str, str], size: tuple[int, int] | None, encoding: str | None
) -> Check:
    """What the terminal says of itself, and whether the cockpit fits in it."""
    term = environ.get("TERM", "")
    facts = [term or "TERM n/a", colours(environ), encoding or "encoding n/a"]
    facts.append(f"{size[0]} x {size[1]}" if size else "no terminal")
    facts += ["over SSH"] if environ.get("SSH_CONNECTION") else []
    facts += ["in tmux"] if environ.get("TMUX") else []
    facts += ["in screen"] if environ.get("STY") else []
    if size is None:
        return Check("Terminal", "info", ", ".join(facts))
    remedy = _remedy(environ, term, size, encoding)
    return Check("Terminal", "warn" if remedy else "ok", ", ".join(facts), remedy)


def colours(environ: Mapping[str, str]) -> str:
    """How many colours the terminal claims, as Textual reads it."""
    term, claimed = environ.get("TERM", ""), environ.get("COLORTERM", "").strip().lower()
    if environ.get("NO_COLOR"):
        return "NO_COLOR"
    if claimed in ("truecolor", "24bit"):
        return "truecolor"
    if term in ("", "dumb"):
        return "colours n/a"
    return "256 colours" if "256color" in term or term == "xterm-kitty" else "16 colours"


def screen_size() -> tuple[int, int] | None:
    """Columns and rows of the terminal, None without one."""
    for stream in filter(None, (sys.__stdout__, sys.__stderr__)):
        with contextlib.suppress(OSError, ValueError):
            size = os.get_terminal_size(stream.fileno())
            return size.columns, size.lines
    return None


def _remedy(
    environ: Mapping[str, str], term: str, size: tuple[int, int], encoding: str | None
) -> str:
    if (encoding or "").lower().replace("-", "") != "utf8":
        return "Set LANG to a UTF-8 locale, such as C.UTF-8: curves are drawn with Unicode."
    if size[0] < _SMALLEST_SCREEN[0] or size[1] < _SMALLEST_SCREEN[1]:
        return "Enlarge it to 80 x 24."
    if term in ("", "dumb"):
        return "Set TERM to what your terminal is, such as xterm-256color."
    if environ.get("STY") and "256color" not in term:
        return "In screen, set TERM to screen-256color for readable charts."
    return ""
