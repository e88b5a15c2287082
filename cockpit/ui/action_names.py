"""The name of every action that has a key, such as ``run.stop``: see ``keymap``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from textual.binding import Binding, BindingType

EVERYWHERE, LIST = "cockpit", "list"


def named(place: str, bindings: Iterable[BindingType]) -> list[BindingType]:
    """``bindings``, one a key, each with the name of its action."""
    made = Binding.make_bindings(bindings)
    return [replace(binding, id=binding.id or f"{place}.{_name(binding)}") for binding in made]


def place_of(screen: str) -> str:
    """``run`` for ``RunScreen``."""
    return screen.removesuffix("Screen").lower()


def _name(binding: Binding) -> str:
    text = binding.description if "(" in binding.action else binding.action
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
