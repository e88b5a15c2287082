"""How long until `cockpit` shows its first screen, against an empty Textual application.

Both are started in a pseudo-terminal of 80 x 24, one after the other, several times. First
paint is the moment the terminal has received the application's first text. Prints a table and
writes JSON; exits 1 if the ratio of the medians is above the limit.

    python bench/first_paint.py [--runs 15] [--limit 1.5] [--json FILE]
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("READY")
Empty().run()
"""
PROGRAMS = {
    "empty": ([sys.executable, "-c", EMPTY], b"READY"),
    "cockpit": ([sys.executable, "-m", "cockpit"], b"Cockpit"),
}
GIVE_UP_SECONDS = 60.0


def seconds_to_paint(command: list[str], text: bytes, home: str) -> float:
    """Seconds from the fork until ``text`` has arrived at the terminal."""
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(COCKPIT_HOME=home, TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    try:
        return _wait_for(terminal, text, started)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def _wait_for(terminal: int, text: bytes, started: float) -> float:
    received = b""
    while time.perf_counter() - started < GIVE_UP_SECONDS:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            received += os.read(terminal, 1 << 16)
        except OSError:
            break
        if text in received:
            return time.perf_counter() - started
    raise SystemExit(f"no first paint; the terminal received {received[-2000:]!r}")


def measure(runs: int) -> dict[str, list[float]]:
    """Seconds of each run by program, the two alternating; one warm-up each is left out."""
    found: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as home:
        for number in range(runs + 1):
            for name, (command, text) in PROGRAMS.items():
                seconds = seconds_to_paint(command, text, home)
                if number:
                    found[name].append(seconds)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--limit", type=float, default=1.5)
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")
    options = parser.parse_args()
    found = measure(options.runs)
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    ratio = medians["cockpit"] / medians["empty"]
    print(f"{'program':<10}{'median s':>10}{'fastest s':>11}{'slowest s':>11}")
    for name, seconds in found.items():
        print(f"{name:<10}{medians[name]:>10.3f}{min(seconds):>11.3f}{max(seconds):>11.3f}")
    print(
        f"\nfirst paint of cockpit over an empty Textual app: {ratio:.2f} (limit {options.limit})"
    )
    document = {"seconds": found, "medians": medians, "ratio": ratio, "limit": options.limit}
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if ratio <= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
