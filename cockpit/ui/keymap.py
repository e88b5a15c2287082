"""Keys of one's own: ``keys.toml`` in the cockpit's home, by screen and action.

    [run]
    stop = "f8"
    pause = "space"

Every action of a screen has a name; ``cockpit keys`` lists them. A line that names no action, or
gives a key that another action of the same screen has, is left out and said.
"""

from __future__ import annotations

import importlib
import pkgutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from textual.binding import Binding
from textual.dom import DOMNode

from cockpit.system.home import KEYS_FILE as FILE
from cockpit.ui import screens
from cockpit.ui.action_names import EVERYWHERE, LIST
from cockpit.ui.screens.base import CockpitScreen
from cockpit.ui.widgets.cursor_list import CursorList

# What has keys on every screen, or on every screen with a list.
OVER_ALL = (EVERYWHERE, LIST)


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a screen; ``keys`` are the shipped ones, in Textual's names."""

    id: str
    keys: tuple[str, ...]
    about: str

    @property
    def place(self) -> str:
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """What to set, and what was wrong with the rest of the file."""

    keymap: Mapping[str, str]
    problems: tuple[str, ...] = ()


def actions() -> list[Action]:
    """Everything that has a key, by screen."""
    found: dict[str, Action] = {}
    for holder in _holders():
        for entry in holder.__dict__.get("BINDINGS", []):
            if isinstance(entry, Binding) and entry.id is not None:
                said = entry.tooltip or entry.description
                known = found.get(entry.id, Action(entry.id, (), said))
                found[entry.id] = replace(known, keys=(*known.keys, entry.key))
    return list(found.values())


def _holders() -> Iterator[type[DOMNode]]:
    from cockpit.ui.app import CockpitApp

    for module in pkgutil.iter_modules(screens.__path__, f"{screens.__name__}."):
        importlib.import_module(module.name)
    yield from (CockpitApp, CursorList)
    yield from sorted(_below(CockpitScreen), key=lambda screen: screen.__name__)


def _below(screen: type[CockpitScreen]) -> Iterator[type[CockpitScreen]]:
    for below in screen.__subclasses__():
        yield below
        yield from _below(below)


def read(file: Path) -> OwnKeys:
    """The keys of a file; nothing if there is none. What cannot be used is in ``problems``."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return OwnKeys({})
    except (OSError, UnicodeDecodeError) as error:
        return OwnKeys({}, (f"{file} could not be read: {error}",))
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return OwnKeys({}, (f"{file}: {error}",))
    return _checked(tables, actions())


def keys_now(action: Action, own: OwnKeys) -> list[str]:
    """The keys that do it, shipped or one's own."""
    mine = own.keymap.get(action.id)
    return list(action.keys) if mine is None else mine.split(",")


def template(known: list[Action]) -> str:
    """A file with every action and its shipped keys, commented out."""
    lines = ["# Keys of the cockpit. Take the # from a line and change its keys."]
    places = dict.fromkeys(action.place for action in known)
    for place in places:
        lines += ["", f"[{place}]"]
        for action in known:
            if action.place == place:
                name = action.id.partition(".")[2]
                lines.append(f'# {name} = "{",".join(action.keys)}"  # {action.about}')
    return "\n".join(lines) + "\n"


def _checked(tables: Mapping[str, Any], known: list[Action]) -> OwnKeys:
    problems: list[str] = []
    asked: dict[str, tuple[str, ...]] = {}
    for name, value in _flat(tables):
        if name not in {action.id for action in known}:
            close = get_close_matches(name, [action.id for action in known], 1)
            meant = f"; did you mean {close[0]}?" if close else "; cockpit keys lists them"
            problems.append(f"{FILE}: there is no action {name}{meant}")
        elif not isinstance(value, str) or not (keys := _keys(value)):
            problems.append(f'{FILE}: {name} is not a text of keys such as "f8" or "ctrl+s,x"')
        else:
            asked[name] = keys
    keymap = {}
    for name, keys in asked.items():
        if taken := _taken(name, keys, asked, known):
            problems.append(f"{FILE}: {name}: {taken}")
        else:
            keymap[name] = ",".join(keys)
    return OwnKeys(_with_sharers(keymap, known), tuple(problems))


def _with_sharers(keymap: dict[str, str], known: list[Action]) -> dict[str, str]:
    """Textual takes a moved action's old key from all that share it, so those name theirs."""
    whole = dict(keymap)
    while more := {
        one.id: ",".join(one.keys)
        for one in known
        if one.id not in whole and any(_shares(one, other) for other in known if other.id in whole)
    }:
        whole |= more
    return whole


def _shares(one: Action, other: Action) -> bool:
    return one.place == other.place and not set(one.keys).isdisjoint(other.keys)


def _flat(tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for place, entries in tables.items():
        if isinstance(entries, dict):
            yield from ((f"{place}.{name}", value) for name, value in entries.items())
        else:
            yield place, entries


def _keys(value: str) -> tuple[str, ...]:
    """In Textual's names: ``slash`` for ``/``."""
    asked = ",".join(key.strip() for key in value.split(",") if key.strip())
    return tuple(made.key for made in Binding.make_bindings([Binding(asked, "")])) if asked else ()


def _taken(
    name: str,
    keys: tuple[str, ...],
    asked: Mapping[str, tuple[str, ...]],
    known: list[Action],
) -> str:
    """Which other action has one of the keys there; two that share a shipped key may share."""
    mine = next(action for action in known if action.id == name)
    for other in known:
        both = mine.place == other.place or not {mine.place, other.place}.isdisjoint(OVER_ALL)
        if other.id == name or not both or set(mine.keys) & set(other.keys):
            continue
        for key in asked.get(other.id, other.keys):
            if key in keys:
                return f"{key} is the key of {other.id}"
    return ""
