"""Between updates: obeying commands, waiting while paused, noticing a stop."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, get_args

from cockpit.core.events import Acknowledged, Action, Command, EndStatus, Note, Paused, Resumed
from cockpit.trainer.commands import Inbox
from cockpit.trainer.emit import Emitter
from cockpit.trainer.failures import StopFlag
from cockpit.trainer.ranks import Ranks

if TYPE_CHECKING:
    from cockpit.trainer.loop import Loop

PAUSED_POLL_SECONDS = 0.2
_ACTIONS: tuple[Action, ...] = get_args(Action)


class Control:
    """Obeys the commands of ``inbox`` and the signal behind ``flag``.

    With several ranks, rank 0 reads and the others are told what was read.
    """

    def __init__(self, inbox: Inbox, flag: StopFlag, ranks: Ranks, emit: Emitter):
        self.stopping = False
        self.paused = False
        self._waiting = False  # for room on the disk
        self._inbox = inbox
        self._flag = flag
        self._ranks = ranks
        self._emit = emit

    def stop_requested(self) -> bool:
        """Whether to break off loading or a validation; other commands wait for its end."""
        if self._ranks.size > 1:
            return False
        return self.stopping or self._flag.requested or self._inbox.stop_waiting

    def close(self, ended: EndStatus) -> None:
        """Answers what was asked too late: a stop got what it wanted, the rest did not."""
        while self._ranks.first and (command := self._inbox.next()):
            accepted = command.action == "stop" and ended == "stopped"
            message = "" if accepted else f"the run has {ended}"
            self._emit(
                Acknowledged(
                    id=command.id, action=command.action, accepted=accepted, message=message
                )
            )

    def attend(self, loop: Loop) -> None:
        """Obeys what was asked since the last call; returns when training may go on or must end."""
        while not self.stopping:
            command = self._next(loop)
            if command is not None:
                self._obey(command, loop)
            elif not self.paused and not self._waiting:
                return
            elif not self.stopping and self._ranks.first:
                time.sleep(PAUSED_POLL_SECONDS)

    def _next(self, loop: Loop) -> Command | None:
        command = None
        if self._ranks.first:
            command = self._inbox.next()
            self._look_for_room(loop)
        if self._ranks.size == 1:
            self.stopping |= self._flag.requested
            return command
        number = _ACTIONS.index(command.action) + 1.0 if command else 0.0
        value = command.value if command and command.value is not None else math.nan
        flags = [number, value, float(self._flag.requested), float(self._waiting)]
        flags = self._ranks.from_first(flags)
        self.stopping |= flags[2] > 0
        self._waiting = flags[3] > 0
        if not flags[0]:
            return None
        shared = None if math.isnan(flags[1]) else flags[1]
        if command is None:
            return Command(id="", action=_ACTIONS[int(flags[0]) - 1], value=shared)
        return command.model_copy(update={"value": shared})

    def _look_for_room(self, loop: Loop) -> None:
        """Waits for the disk and goes on by itself, unless somebody paused the run anyway."""
        if self.paused:
            return
        lacking, update = loop.no_room(), loop.progress.update
        if lacking and not self._waiting:
            remedy = f"Free some space on the disk of {loop.job.run.path}: it goes on by itself. "
            remedy += "Earlier checkpoints are intact."
            self._emit(Note(level="error", message=f"Training waits: {lacking}.", remedy=remedy))
            self._emit(Paused(update=update, reason=f"disk full: {lacking}"))
        elif self._waiting and not lacking:
            self._emit(Resumed(update=update))
        self._waiting = bool(lacking)

    def _obey(self, command: Command, loop: Loop) -> None:
        problem = self._problem(command, loop)
        self._emit(
            Acknowledged(
                id=command.id,
                action=command.action,
                accepted=problem is None,
                message=problem or "",
                updates=_updates(command, loop) if problem is None else None,
            )
        )
        if problem is None:
            self._carry_out(command, loop)

    def _problem(self, command: Command, loop: Loop) -> str | None:
        """Why the command cannot be obeyed, or None."""
        value = command.value
        match command.action:
            case "pause" if self.paused:
                return "it is paused already"
            case "resume" if not self.paused:
                return "the disk is full" if self._waiting else "it is not paused"
            case "set_iters" if loop.finishing:
                return "the run is at its end: resume it with more iters"
            case "checkpoint" if loop.progress.saved_update == loop.progress.update:
                return "there is nothing new to save"
            case "sample" if not command.prompt and self._ranks.first:
                return "there is no prompt"
            case "validate" if not len(loop.job.data.valid):
                return "there is no validation data"
            case "set_learning_rate" if value is None or not math.isfinite(value) or value <= 0:
                return "the learning rate must be a number above 0"
            case "set_iters" if value is None or not math.isfinite(value):
                return "iters must be a number"
            case "set_iters" if (_updates(command, loop) or 0) < max(1, loop.progress.update):
                done = loop.progress.update * loop.plan.grad_accumulation_steps
                return f"{done} iterations are done already"
        return None

    def _carry_out(self, command: Command, loop: Loop) -> None:
        match command.action:
            case "stop":
                self.stopping = True
            case "pause":
                self.paused = True
                self._emit(Paused(update=loop.progress.update))
            case "resume":
                self.paused = self._waiting = False
                self._emit(Resumed(update=loop.progress.update))
            case "checkpoint":
                loop.save("asked")
            case "validate":
                loop.validate()
            case "sample":
                if command.prompt:
                    loop.sample(command.prompt)
            case "set_learning_rate":
                assert command.value is not None
                loop.hold_learning_rate(command.value)
            case "set_iters":
                assert command.value is not None
                loop.progress.iters = int(command.value)


def _updates(command: Command, loop: Loop) -> int | None:
    if command.action != "set_iters" or command.value is None:
        return None
    return int(command.value) // loop.plan.grad_accumulation_steps
