"""Sleeping until it is time, a child has ended, or someone asks this process to end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType


class Wakeup:
    """Installs the supervisor's signals. ``asked_to_end`` is set once SIGTERM came."""

    def __init__(self) -> None:
        self.asked_to_end = False
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        # Ignored signals stay ignored in the trainer: a closed terminal is nobody's end.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def wait(self, seconds: float) -> None:
        """Returns after ``seconds``, or earlier when a signal came."""
        select.select([self._reader], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 512):
                pass

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        self.asked_to_end = True
