"""The trainer as the supervisor sees it: started here, or found alive and adopted."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass

from cockpit.errors import CockpitError
from cockpit.system import high_water, process
from cockpit.system.process import Identity
from cockpit.system.run_dir import AttemptDir, RunDir


@dataclass(frozen=True, slots=True)
class Exit:
    """``code`` as the shell counts it, ``signal`` by name; both None if nobody could see.

    ``high_water_bytes`` is the most memory the process held at any time.
    """

    code: int | None = None
    signal: str | None = None
    high_water_bytes: int | None = None


class Trainer:
    """A trainer process. ``child`` is there only if this supervisor started it."""

    def __init__(self, who: Identity, child: subprocess.Popen[bytes] | None = None):
        self.who = who
        self._child = child
        self._seen: Exit | None = None

    def exit(self) -> Exit | None:
        """How it ended, or None while it runs."""
        if self._child is None:
            return None if process.is_alive(self.who) else Exit()
        return self._reap(self._child)

    def _reap(self, child: subprocess.Popen[bytes]) -> Exit | None:
        """``Popen.poll``, but with what the kernel tells of the dead child's memory."""
        if self._seen is None:
            try:
                pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            except ChildProcessError:
                return Exit()
            if pid == 0:
                return None
            child.returncode = code = os.waitstatus_to_exitcode(status)
            most = high_water.of(usage)
            if code >= 0:
                self._seen = Exit(code, None, most)
            else:
                self._seen = Exit(128 - code, process.signal_name(-code), most)
        return self._seen

    def terminate(self) -> bool:
        """SIGTERM, which a trainer takes as a stop; False if it is gone already."""
        return process.send_signal(self.who, signal.SIGTERM)

    def kill(self) -> bool:
        """SIGKILL to the trainer and all that it leads; False if it is gone already."""
        return process.send_signal(self.who, signal.SIGKILL, group=True)


def start(run: RunDir, attempt: AttemptDir) -> Trainer:
    """Starts the trainer in a session of its own, so that it outlives this process.

    ``COCKPIT_TRAINER_COMMAND`` replaces ``python -m cockpit.trainer`` (a launcher such as
    mlx.launch, or a stand-in); the run's path and the attempt's number follow it. Raises
    CockpitError if it cannot be started.
    """
    command = [*_command(), str(run.path), str(attempt.number)]
    try:
        with attempt.log.open("ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    except OSError as error:
        raise CockpitError(
            "The trainer could not be started",
            f"{shlex.join(command)}: {error.strerror}",
            "Check the installation with: cockpit doctor",
        ) from error
    # A child cannot vanish before it is waited for, so its start time is always there.
    who = process.identity(child.pid)
    return Trainer(who or (child.pid, 0.0), child)


def _command() -> list[str]:
    chosen = shlex.split(os.environ.get("COCKPIT_TRAINER_COMMAND", ""))
    return chosen or [sys.executable, "-m", "cockpit.trainer"]
