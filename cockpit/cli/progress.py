"""A progress bar on standard error: redrawn in place on a terminal, a line now and then else."""

from __future__ import annotations

import sys
import time

from cockpit.core.format import duration

WIDTH = 24
REDRAW_SECONDS = 0.1
LINE_SECONDS = 5.0


class ProgressBar:
    """Shows bytes done of a total. Silent for work that is done at once."""

    def __init__(self, verb: str):
        self._verb = verb
        self._terminal = sys.stderr.isatty()
        self._started = self._told = time.monotonic()
        self._drawn = False

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn and self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, done_bytes: int, total_bytes: int, examples: int) -> None:
        now = time.monotonic()
        if now - self._told < (REDRAW_SECONDS if self._terminal else LINE_SECONDS):
            return
        self._told, self._drawn = now, True
        line = self._line(done_bytes, total_bytes, examples, now - self._started)
        sys.stderr.write(f"\r{line}\x1b[K" if self._terminal else f"{line}\n")
        sys.stderr.flush()

    def _line(self, done_bytes: int, total_bytes: int, examples: int, seconds: float) -> str:
        share = min(1.0, done_bytes / total_bytes) if total_bytes else 0.0
        bar = ("#" * round(share * WIDTH)).ljust(WIDTH, ".")
        left = duration(seconds / share - seconds) if share else "n/a"
        return f"{self._verb} [{bar}] {share:4.0%}  {examples:,} examples, {left} left"
