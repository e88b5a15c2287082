"""What a child that works on a result says to whoever started it: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cockpit.errors import CockpitError

Side = Literal["base", "tuned"]


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being done now. ``warning`` marks what should stay on the screen."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """A conversation may begin, with the model after ``update``."""

    update: int
    is_best: bool
    dtype: str
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt that is about to be answered by one of the two."""

    number: int
    prompt: str
    side: Side


@dataclass(frozen=True, slots=True)
class Piece:
    """More of the answer that was announced last."""

    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """The document that the job was for, the last message of a child that succeeded.

    In a conversation there is one for each question too.
    """

    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """A CockpitError, and the last message of a child."""

    title: str
    message: str
    remedy: str
    exit_code: int

    @classmethod
    def of(cls, error: CockpitError) -> Failed:
        return cls(error.title, error.message, error.remedy, error.exit_code)

    def error(self) -> CockpitError:
        return CockpitError(self.title, self.message, self.remedy, exit_code=self.exit_code)


Message = Progress | Ready | Asked | Piece | Result | Failed
_KINDS: dict[str, type[Message]] = {
    "progress": Progress,
    "ready": Ready,
    "asked": Asked,
    "piece": Piece,
    "result": Result,
    "failed": Failed,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode(message: Message) -> str:
    """One line, without its end."""
    return json.dumps({"type": _NAMES[type(message)]} | asdict(message))


def decode(line: str) -> Message | None:
    """The message of a line; None for what is none, as a child that was killed may leave."""
    try:
        fields = json.loads(line)
        return _KINDS[fields.pop("type")](**fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
