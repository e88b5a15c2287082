"""A command and its answer: asked through control.jsonl, answered in the trainer's events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cockpit.core import events as ev
from cockpit.errors import CockpitError
from cockpit.system import control, jsonl, process
from cockpit.system.run_dir import RunDir
from cockpit.system.summary import digest

POLL_SECONDS = 0.1
# Between looks at whether the trainer still lives.
LIFE_SECONDS = 1.0

_RESULTS: dict[ev.Action, type[ev.Record]] = {
    "pause": ev.Paused,
    "resume": ev.Resumed,
    "checkpoint": ev.Checkpointed,
    "validate": ev.Validated,
    "sample": ev.Sampled,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a trainer made of a command.

    ``done`` tells that it was obeyed and had its effect; ``message`` says why not otherwise.
    ``result`` is the event that came of it, for the actions that bring one.
    """

    action: ev.Action
    accepted: bool
    done: bool
    message: str = ""
    updates: int | None = None
    result: ev.Record | None = None


def ask(
    run: RunDir,
    action: ev.Action,
    *,
    prompt: str | None = None,
    value: float | None = None,
    sender: str = "",
    on_wait: Callable[[], None] = lambda: None,
) -> Answer:
    """Sends a command and waits for its acknowledgement and its result, as long as that takes.

    ``on_wait`` is called once if it takes a while: a trainer answers between two updates.
    Raises CockpitError if no trainer is there to obey, or if it dies before it answers.
    """
    events = iter(_Events(run, on_wait))
    command = control.send(run, action, prompt=prompt, value=value, sender=sender)
    said = next(e for e in events if isinstance(e, ev.Acknowledged) and e.id == command.id)
    wanted = _RESULTS.get(action)
    if not said.accepted or wanted is None:
        return Answer(action, said.accepted, said.accepted, said.message, said.updates)
    # One writer, and it carries a command out right after it said yes: what comes next is ours.
    for event in events:
        if isinstance(event, wanted):
            return Answer(action, True, True, updates=said.updates, result=event)
        if isinstance(event, ev.Note) and event.level != "info":
            return Answer(action, True, False, event.message)
        if isinstance(event, ev.Ended):
            return Answer(action, True, False, f"the run has {event.status}")
    raise AssertionError("the events of a run end with an error")


class _Events:
    """The newest attempt's events from now on; iterating waits for the next one."""

    def __init__(self, run: RunDir, on_wait: Callable[[], None]):
        state = digest(run)
        attempts = run.attempts()
        if not state.trains or not attempts:
            raise CockpitError(
                "Nobody is there to obey",
                f"{run.name} is {state.status}",
                f"Ask again once it trains: cockpit attach {run.name}"
                if state.active
                else f"Continue it first: cockpit resume {run.name}",
            )
        self._run = run
        self._on_wait = on_wait
        path = attempts[-1].trainer_events
        self._tail = jsonl.Tail(path, path.stat().st_size if path.exists() else 0)
        self._trainer = state.trainer

    def __iter__(self) -> Iterator[ev.Event]:
        due = time.monotonic() + LIFE_SECONDS
        patient = False
        while True:
            dead = time.monotonic() >= due and self._is_dead()
            for line in self._tail.read():
                if (event := ev.parse_event(line)) is not None:
                    yield event
            if dead:
                raise self._died()
            if time.monotonic() >= due:
                due = time.monotonic() + LIFE_SECONDS
                if not patient:
                    self._on_wait()
                patient = True
            time.sleep(POLL_SECONDS)

    def _is_dead(self) -> bool:
        if process.is_alive(self._trainer):
            return False
        state = digest(self._run)
        self._trainer = state.trainer
        return not state.trains

    def _died(self) -> CockpitError:
        return CockpitError(
            "The trainer ended before it answered",
            f"{self._run.name} is {digest(self._run).status}",
            f"See what is known: cockpit show {self._run.name}",
            exit_code=1,
        )
