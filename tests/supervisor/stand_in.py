"""A trainer without mlx: real events, real commands, real ways to die. STAND_IN says which.

Run as COCKPIT_TRAINER_COMMAND; the run's path and the attempt's number follow.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from cockpit.core import events as ev
from cockpit.system import jsonl
from cockpit.system.process import identity
from cockpit.system.run_dir import RunDir

UPDATES = 1_000_000
UPDATE_SECONDS = 0.02

METAL = (
    "libc++abi: terminating due to uncaught exception of type std::runtime_error: [METAL] "
    "Command buffer execution failed: Insufficient Memory "
    "(00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"
)


class StandIn:
    def __init__(self, run: RunDir, number: int, behaviour: str):
        self.attempt = run.attempt(number)
        self.commands = jsonl.Tail(run.control)
        self.behaviour = behaviour
        self.terminated = False
        self.update = 0

    def write(self, event: ev.TrainerEvent) -> None:
        jsonl.append(self.attempt.trainer_events, event.line())

    def train(self) -> int:
        if self.behaviour == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGTERM, self._on_terminate)
        if self.behaviour == "mute":
            time.sleep(600)
        self._start()
        while self.update < (3 if self.behaviour == "finish" else UPDATES):
            self._one_update()
            if self.update == 3:
                self._misbehave()
            if self.terminated or (self.behaviour == "train" and self._asked_to_stop()):
                self.write(ev.Ended(status="stopped", update=self.update, peak_bytes=2_000))
                return 0
            time.sleep(UPDATE_SECONDS)
        self.write(ev.Ended(status="completed", update=self.update, peak_bytes=2_000))
        return 0

    def _start(self) -> None:
        who = identity(os.getpid())
        assert who is not None
        self.write(
            ev.Started(
                attempt=self.attempt.number,
                pid=who[0],
                pid_created=who[1],
                updates=UPDATES,
                device="cpu",
            )
        )
        self.write(ev.PhaseChanged(phase="training"))

    def _one_update(self) -> None:
        self.update += 1
        self.write(
            ev.Updated(
                update=self.update,
                epoch=0.1,
                loss=1 / self.update,
                learning_rate=1e-5,
                tokens=10,
                trained_tokens=10 * self.update,
                seconds=UPDATE_SECONDS,
                tokens_per_second=500,
                active_bytes=500,
                peak_bytes=1_000 + min(self.update, 900),
                cache_bytes=0,
            )
        )

    def _misbehave(self) -> None:
        if self.behaviour == "raise":
            raise RuntimeError("something nobody thought of")
        if self.behaviour == "metal":
            print(METAL, flush=True)
            os.abort()
        if self.behaviour == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)

    def _asked_to_stop(self) -> bool:
        commands = [ev.parse_command(line) for line in self.commands.read()]
        for command in filter(None, commands):
            self.write(ev.Acknowledged(id=command.id, action=command.action, accepted=True))
        return any(command is not None and command.action == "stop" for command in commands)

    def _on_terminate(self, *_: object) -> None:
        self.terminated = True


if __name__ == "__main__":
    stand_in = StandIn(
        RunDir(Path(sys.argv[-2])), int(sys.argv[-1]), os.environ.get("STAND_IN", "train")
    )
    sys.exit(stand_in.train())
