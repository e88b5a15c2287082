"""What commands made of a plan while it ran: a resume keeps it, whenever the checkpoint was."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.core.checkpoint_state import ResumeRequest, TrainerState
from cockpit.core.events import Acknowledged, Checkpointed, Command, parse_command, parse_event
from cockpit.core.plan import RunPlan
from cockpit.system import checkpoints, jsonl
from cockpit.system.run_dir import AttemptDir, RunDir

_MARKS = (b'"type":"command"', b'"type":"checkpoint"')


@dataclass(frozen=True, slots=True)
class Carried:
    """``iters`` in micro-batches; ``rate`` is the learning rate that a command holds, or None."""

    iters: int
    rate: float | None


def carried(run: RunDir, newest: AttemptDir, plan: RunPlan, state: TrainerState | None) -> Carried:
    """As the newest attempt had them at its end, from ``state`` and the commands after it.

    ``plan`` is the newest attempt's. Without a ``state`` nothing was saved, and the run starts
    over.
    """
    iters, rate = plan.iters, None
    if state is not None:
        iters = state.iters if plan.iters == state.planned_iters else plan.iters
        rate = state.held_learning_rate
    own = state is not None and state.attempt == newest.number
    if not own and (asked := _request(newest)) is not None:
        iters = plan.iters if asked.iters is None else asked.iters
        rate = asked.held_learning_rate
    for command in _obeyed(run, newest, state.update if state is not None and own else None):
        if command.value is not None and command.action == "set_iters":
            iters = int(command.value)
        elif command.value is not None:
            rate = command.value
    return Carried(iters, rate)


def _obeyed(run: RunDir, attempt: AttemptDir, after: int | None) -> list[Command]:
    """The accepted changes of an attempt, those before the checkpoint of ``after`` left out."""
    accepted: list[str] = []
    tail = jsonl.Tail(attempt.trainer_events)
    while lines := tail.read():
        for line in lines:
            if not any(mark in line[:80] for mark in _MARKS):
                continue
            event = parse_event(line)
            if isinstance(event, Checkpointed) and event.update == after:
                accepted.clear()
            elif isinstance(event, Acknowledged) and event.accepted:
                accepted.append(event.id)
    return _changes(run, accepted)


def _changes(run: RunDir, ids: list[str]) -> list[Command]:
    if not ids:
        return []
    known: dict[str, Command] = {}
    tail = jsonl.Tail(run.control)
    while lines := tail.read():
        commands = (command for line in lines if (command := parse_command(line)) is not None)
        known |= {c.id: c for c in commands if c.action in ("set_iters", "set_learning_rate")}
    return [known[name] for name in ids if name in known]


def _request(attempt: AttemptDir) -> ResumeRequest | None:
    try:
        return checkpoints.request(attempt.path)
    except ValueError:
        return None
