"""The end of a cockpit whose terminal is gone.

The kernel says so with SIGHUP, which ends a process; but only one whose controlling terminal it
was and that was not started to ignore it (nohup). Textual would read the end of such a terminal
over and over, at the price of a core, and a writer that waits for it never comes back.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
import threading
import time

LOOK_SECONDS = 1.0


def end_with_the_terminal(descriptor: int | None = None) -> None:
    """From now on this process dies by SIGHUP once the terminal, standard input, is gone."""
    terminal = sys.__stdin__.fileno() if descriptor is None and sys.__stdin__ else descriptor
    if terminal is None or not os.isatty(terminal):
        return
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    threading.Thread(target=_watch, args=(terminal,), name="terminal-watch", daemon=True).start()


def _watch(terminal: int) -> None:
    while _is_there(terminal):
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGHUP)


def _is_there(terminal: int) -> bool:
    """Asks what costs nothing and what a terminal that was hung up refuses."""
    try:
        termios.tcgetattr(terminal)
    except (termios.error, OSError):
        return False
    return True
