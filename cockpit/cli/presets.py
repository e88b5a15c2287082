"""``cockpit presets``: plans to start from, and what each of them changes."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from typing import Any

from cockpit.cli import output
from cockpit.system.presets import Preset, load

WIDEST = 96


def presets(arguments: argparse.Namespace) -> int:
    if arguments.json:
        output.print_json({"presets": [_document(preset) for preset in load()]})
        return 0
    width = min(WIDEST, shutil.get_terminal_size().columns)
    for preset in load():
        print(f"{preset.name}: {preset.title}")
        print(textwrap.fill(preset.about, width, initial_indent="  ", subsequent_indent="  "))
        print(_filled("  sets: ", preset.in_words(), width))
        print()
    print("Take one with --preset NAME in train, predict or fit; flags go over it.")
    return 0


def _filled(start: str, things: list[str], width: int) -> str:
    """``things`` on as many lines as they need, none of them broken."""
    whole = ", ".join(thing.replace(" ", "\N{NO-BREAK SPACE}") for thing in things)
    filled = textwrap.fill(whole, width, initial_indent=start, subsequent_indent="    ")
    return filled.replace("\N{NO-BREAK SPACE}", " ")


def _document(preset: Preset) -> dict[str, Any]:
    return preset.model_dump(mode="json", exclude_none=True)
