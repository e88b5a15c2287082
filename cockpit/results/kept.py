"""How much of what was learned is in a fused model, in words."""

from __future__ import annotations

# Rounding to 16 bits keeps more than this, packing again seldom does.
WELL = 0.9
LOST = "packing it again loses the rest"


def percent(kept: float | None) -> str:
    """Never 100% of what is not whole, and nothing below 0%."""
    if kept is None:
        return "n/a"
    return ">99%" if 0.995 <= kept < 0.9999 else f"{max(0.0, kept):.0%}"


def in_words(kept: float | None, *, packed: bool) -> str:
    """``kept`` is None where training changed nothing."""
    if kept is None:
        return "training changed nothing, so there was nothing to keep"
    words = f"keeps {percent(kept)} of what was learned"
    return f"{words}: {LOST}" if packed and kept < WELL else words
