"""Completes a folder's path as it is typed."""

from __future__ import annotations

import asyncio
import os

from textual.suggester import Suggester

from cockpit.system.typed_path import expanded


class FolderSuggester(Suggester):
    """Offers the first folder whose name begins with what was typed."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(complete, value)


def complete(typed: str) -> str | None:
    """``typed`` completed to the first matching folder, as typed so far and further."""
    if not typed or typed in ("~", ".", ".."):
        return None
    parent, _, beginning = typed.rpartition("/")
    folder = expanded(parent + "/" if parent or typed.startswith("/") else ".")
    try:
        with os.scandir(folder) as found:
            names = sorted(
                entry.name
                for entry in found
                if entry.name.startswith(beginning)
                and (beginning.startswith(".") or not entry.name.startswith("."))
                and entry.is_dir()
            )
    except OSError:
        return None
    if not names or names[0] == beginning:
        return None
    return typed[: len(typed) - len(beginning)] + names[0]
