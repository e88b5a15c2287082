"""How answers are drawn: their longest length and the temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cockpit.errors import CockpitError

MOST_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Settings:
    """``max_tokens`` an answer; ``temperature`` 0 takes the likeliest token."""

    max_tokens: int = 128
    temperature: float = 0.0

    def __str__(self) -> str:
        """As ``changed`` reads it."""
        return f"max_tokens={self.max_tokens} temperature={self.temperature:g}"

    def changed(self, text: str) -> Settings:
        """With the fields that ``text`` names as ``field=value``; CockpitError."""
        found = self
        for word in text.split():
            name, _, value = word.partition("=")
            if name == "max_tokens":
                found = replace(found, max_tokens=max_tokens(value, name))
            elif name == "temperature":
                found = replace(found, temperature=temperature(value, name))
            else:
                raise CockpitError(
                    "The change was not understood",
                    f"{word!r} is neither max_tokens=N nor temperature=T",
                    f"Write it like this: {self}",
                )
        return found


def max_tokens(text: str, name: str) -> int:
    """``text`` as a number of tokens; CockpitError with ``name`` if it is none."""
    usable = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    number = int(text) if usable else 0
    if number < 1:
        raise CockpitError(f"{name} must be a whole number, 1 or more", f"got {text!r}", "Try: 200")
    return number


def temperature(text: str, name: str) -> float:
    """``text`` as a temperature; CockpitError with ``name`` if it is none."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise CockpitError(
            f"{name} must be a number, 0 or more", f"got {text!r}", "0 takes the likeliest."
        )
    return value
