"""Prompts that were offered or asked, to go back to with two keys."""

from __future__ import annotations

from collections.abc import Iterable


class Recall:
    """``asked`` is the newest last, and shared by all screens that ask."""

    def __init__(self, asked: list[str]):
        self._asked = asked
        self._offered: list[str] = []
        self._place: int | None = None

    def offer(self, prompts: Iterable[str]) -> str:
        """Prompts to go back to before anything was asked; returns the first, which is next."""
        self._offered = list(dict.fromkeys(prompts))[::-1]
        self._place = len(self._entries) - 1 if self._offered and not self._asked else None
        return self._entries[-1] if self._entries else ""

    def add(self, prompt: str) -> None:
        """``prompt`` was asked: it is the newest."""
        if prompt in self._asked:
            self._asked.remove(prompt)
        self._asked.append(prompt)
        self._place = len(self._entries) - 1

    def step(self, by: int) -> str:
        """The prompt before (-1) or after (1) the one that was shown last; "" past the newest."""
        entries = self._entries
        place = len(entries) if self._place is None else self._place
        self._place = max(0, min(place + by, len(entries)))
        return entries[self._place] if self._place < len(entries) else ""

    @property
    def _entries(self) -> list[str]:
        return [text for text in self._offered if text not in self._asked] + self._asked
