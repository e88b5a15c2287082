"""What is shown of a run, compared all the while with which of its processes really live."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil

from cockpit.system import observe
from cockpit.system.run_dir import RunDir

LOOK_SECONDS = 0.1
MODULES = {
    "trainer": "cockpit.trainer",
    "supervisor": "cockpit.supervisor",
    "cockpit": "tests.crash.cockpit",
}


# A process that was only just forked is not yet what it will be; later it is looked at rarely.
STRANGER_SECONDS = 2.0
_strangers: dict[tuple[Path, int], float] = {}


def living(folder: Path) -> dict[str, int]:
    """Pids of the processes that work on anything under ``folder``, by what they are.

    From the process table alone: nothing that the product says about itself is believed here.
    """
    found: dict[str, int] = {}
    now = time.monotonic()
    for process in psutil.process_iter():
        since = _strangers.setdefault((folder, process.pid), now)
        if STRANGER_SECONDS < now - since < 2 * STRANGER_SECONDS:
            continue
        try:
            arguments = process.cmdline()
            ours = any(str(folder) in argument for argument in arguments)
            if not ours and now - since > STRANGER_SECONDS:
                _strangers[folder, process.pid] = now - STRANGER_SECONDS
            dead = not ours or process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        except psutil.Error:
            continue
        if ours:
            _strangers[folder, process.pid] = now
        for name, module in MODULES.items():
            if module in arguments and not dead:
                found[name] = process.pid
    return found


class Witness:
    """Watches one run in a thread, as an attached cockpit does and as ``cockpit runs`` does.

    A run shown as going on of which nothing lives, or as over while its trainer lives and has not
    said its last word, is wrong once it has been so for ``patience`` seconds; shown as completed
    when no trainer said so, at once. ``wrong`` says in words what was; ``shown`` are the statuses
    in turn.
    """

    def __init__(self, run: RunDir, home: Path, patience: float):
        self.shown: list[str] = []
        self.wrong: list[str] = []
        self.slowest = 0.0
        self._run = run
        self._home = home
        self._patience = patience
        self._watcher = observe.RunWatcher(run)
        self._over = threading.Event()
        self._since: float | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                self._look()
            except Exception as error:
                self.wrong.append(f"a reader failed: {error!r}")
                return
            self._over.wait(LOOK_SECONDS)

    def _look(self) -> None:
        before = living(self._home)
        state = self._watcher.poll()
        listed = observe.summary(self._run)
        after = living(self._home)
        if not self.shown or self.shown[-1] != state.status:
            self.shown.append(state.status)
        self._judge(state.active, state.status, before, after)
        if listed.status == "completed" and not _said(self._run, b'"status":"completed"'):
            self.wrong.append("listed as completed, and no trainer said so")

    def _judge(
        self, active: bool, status: str, before: dict[str, int], now: dict[str, int]
    ) -> None:
        # Only what held through the whole look counts.
        lying = active and not before and not now
        if not active and "trainer" in before and "trainer" in now:
            lying = not _said(self._run, b'"type":"end"', newest=True)
        if not lying:
            self._since = None
            return
        self._since = self._since or time.monotonic()
        lasted = time.monotonic() - self._since
        self.slowest = max(self.slowest, lasted)
        if lasted > self._patience:
            self.wrong.append(f"{status} for {lasted:.1f} s, alive are {sorted(now) or 'none'}")
            self._since = None


def _said(run: RunDir, text: bytes, *, newest: bool = False) -> bool:
    """Whether a trainer, or that of the newest attempt, wrote these words."""
    files = [attempt.trainer_events for attempt in run.attempts()]
    chosen = files[-1:] if newest else files
    return any(text in path.read_bytes() for path in chosen if path.exists())
