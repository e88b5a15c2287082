"""Two answers to each prompt as they come: in two columns, or one under the other."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cockpit.core.format import plain
from cockpit.results.messages import Asked, Piece, Side

# Two columns of a readable width.
WIDE_COLUMNS = 80
REDRAW_SECONDS = 0.15


class View(Protocol):
    def show(self, message: Asked | Piece) -> None: ...
    def close(self) -> None: ...


def view(base: str, tuned: str) -> View:
    """Columns where standard output is a terminal wide enough for them; else plain lines."""
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
    usable = console.is_terminal and not console.is_dumb_terminal
    titles: dict[Side, str] = {"base": base, "tuned": tuned}
    return Columns(console, titles) if usable and console.width >= WIDE_COLUMNS else Lines(titles)


def shown(piece: str) -> str:
    """A piece of a model's text with its line breaks, and nothing that a terminal would obey."""
    return "\n".join(plain(line) for line in piece.split("\n"))


class Lines:
    """The prompt, then one answer after the other."""

    def __init__(self, titles: dict[Side, str]):
        self._titles = titles
        self._open = False

    def show(self, message: Asked | Piece) -> None:
        if isinstance(message, Piece):
            self._write(shown(message.text))
            return
        self.close()
        if message.side == "base":
            self._write(f"> {shown(message.prompt)}\n\n")
        self._write(f"{plain(self._titles[message.side])}:\n")
        self._open = True

    def close(self) -> None:
        if self._open:
            self._write("\n\n")
        self._open = False

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class Columns:
    """The prompt over the base's answer on the left and the tuned one's on the right."""

    def __init__(self, console: Console, titles: dict[Side, str]):
        self._console = console
        self._titles = titles
        self._live: Live | None = None
        self._prompt = ""
        self._answers: dict[Side, str] = {}
        self._side: Side = "base"
        self._drawn = 0.0

    def show(self, message: Asked | Piece) -> None:
        if isinstance(message, Piece):
            self._answers[self._side] += shown(message.text)
            self._redraw()
            return
        if message.side == "base":
            self.close()
            self._prompt, self._answers = shown(message.prompt), {"base": "", "tuned": ""}
            # While it lives no more than a screen is drawn; what stays is the whole.
            self._live = Live(
                console=self._console, auto_refresh=False, vertical_overflow="ellipsis"
            )
            self._live.start()
        self._side = message.side
        self._redraw(at_once=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.update(self._table())
            self._live.stop()
            self._console.print()
        self._live = None

    def _redraw(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._live is not None and (at_once or now - self._drawn >= REDRAW_SECONDS):
            self._live.update(self._table(), refresh=True)
            self._drawn = now

    def _table(self) -> Group:
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(ratio=1)
        table.add_column(ratio=1)
        table.add_row(*(Text(plain(title), style="underline") for title in self._titles.values()))
        table.add_row(*(Text(self._answers.get(side, "")) for side in self._titles))
        return Group(Text(f"> {self._prompt}", style="bold"), table)
