"""``cockpit pause``, ``unpause``, ``checkpoint``, ``validate``, ``sample`` and ``set``.

Each appends a command to the run and waits for the trainer's answer, and for the result.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

from cockpit.cli import output
from cockpit.core import events as ev
from cockpit.core.format import plain_lines
from cockpit.errors import CockpitError
from cockpit.system import dialogue, run_dir
from cockpit.system.dialogue import Answer


def pause(arguments: argparse.Namespace) -> int:
    return _ask(arguments, "pause", "paused; go on with: cockpit unpause {run}")


def unpause(arguments: argparse.Namespace) -> int:
    return _ask(arguments, "resume", "training again")


def checkpoint(arguments: argparse.Namespace) -> int:
    return _ask(arguments, "checkpoint", "saved")


def validate(arguments: argparse.Namespace) -> int:
    return _ask(arguments, "validate", "validated")


def sample(arguments: argparse.Namespace) -> int:
    if not arguments.prompt.strip():
        raise CockpitError("There is no prompt", "PROMPT is empty", "Give some text to complete.")
    return _ask(arguments, "sample", "answered", prompt=arguments.prompt)


def set_value(arguments: argparse.Namespace) -> int:
    if arguments.iters is not None:
        value = _number(arguments.iters, "--iters")
        if value < 1 or value != int(value):
            raise CockpitError("--iters must be a whole number, 1 or more", f"got {value:g}", _SET)
        return _ask(arguments, "set_iters", f"trains for {value:g} iterations", value=value)
    value = _number(arguments.learning_rate, "--learning-rate")
    if value <= 0:
        raise CockpitError("--learning-rate must be above 0", f"got {value:g}", _SET)
    said = f"trains at learning rate {value:g} from the next update on"
    return _ask(arguments, "set_learning_rate", said, value=value)


_SET = "For example: cockpit set latest --learning-rate 1e-5, or --iters 2000"


def _number(text: str, flag: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CockpitError(f"{flag} must be a number", f"got {text!r}", _SET)
    return value


def _ask(arguments: argparse.Namespace, action: ev.Action, done: str, **fields: Any) -> int:
    run = run_dir.find(arguments.name)
    answer = dialogue.ask(run, action, sender="command line", on_wait=_wait, **fields)
    if arguments.json:
        output.print_json(_document(run, answer))
    elif not answer.accepted:
        output.say(f"{run.name}: not done: {answer.message}")
    else:
        for line in _result(answer):
            print(line)
        output.say(f"{run.name}: {done.format(run=run.name)}" if answer.done else _undone(answer))
    return 0 if answer.done else 1


def _wait() -> None:
    output.say("waiting for the trainer: it answers between two updates ...")


def _undone(answer: Answer) -> str:
    return f"accepted, but nothing came of it: {answer.message}"


def _document(run: run_dir.RunDir, answer: Answer) -> dict[str, Any]:
    result = answer.result
    shown = None if result is None else result.model_dump(mode="json", exclude_none=True)
    return {
        "run": run.name,
        "action": answer.action,
        "accepted": answer.accepted,
        "message": answer.message,
        "updates": answer.updates,
        "result": shown,
    }


def _result(answer: Answer) -> list[str]:
    match answer.result:
        case ev.Sampled(text=text):
            return list(plain_lines(text))
        case ev.Validated(update=update, loss=loss, best=best):
            mark = ", the best so far" if best else ""
            return [f"validation loss {loss:.4f} after update {update}{mark}"]
        case ev.Checkpointed(path=path, update=update):
            return [f"{path} (update {update})"]
    return []
