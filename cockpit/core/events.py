"""The records of a run directory: one JSON object a line, versioned, append-only.

``trainer.jsonl`` holds TrainerEvent lines, ``supervisor.jsonl`` SupervisorEvent lines and
``control.jsonl`` Command lines. ``t`` is Unix time in seconds. A reader skips what it does not
know, so a newer writer never breaks an older cockpit.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cockpit.core.samples import MemorySample

VERSION = 1

Phase = Literal["loading", "compiling", "training", "validating", "testing", "saving"]
EndStatus = Literal["completed", "stopped", "failed"]
Action = Literal[
    "pause", "resume", "stop", "checkpoint", "validate", "sample", "set_learning_rate", "set_iters"
]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    v: int = VERSION
    t: float = Field(default_factory=time.time)

    def line(self) -> bytes:
        """The record as one line of JSON, newline included, None left out."""
        return self.model_dump_json(exclude_none=True).encode() + b"\n"


class Started(Record):
    """The trainer is up. ``update`` is the number of updates already behind it."""

    type: Literal["started"] = "started"
    attempt: int
    pid: int
    pid_created: float
    update: int = 0
    updates: int
    device: str
    blas: str | None = None
    dtype: str | None = None
    versions: dict[str, str] = {}


class PhaseChanged(Record):
    type: Literal["phase"] = "phase"
    phase: Phase
    detail: str = ""


class ModelLoaded(Record):
    """What is about to train: parameters in numbers, data in examples and tokens.

    ``high_water_bytes`` is the most memory the process held until then.
    """

    type: Literal["loaded"] = "loaded"
    parameters: int
    trainable_parameters: int
    layers: int
    train_examples: int
    valid_examples: int
    test_examples: int = 0
    truncated_examples: int = 0
    longest_tokens: int | None = None
    high_water_bytes: int | None = None


class Updated(Record):
    """One optimizer step. ``loss`` is the mean over the update's tokens, before the step."""

    type: Literal["update"] = "update"
    update: int
    epoch: float
    loss: float
    learning_rate: float
    tokens: int
    trained_tokens: int
    seconds: float
    tokens_per_second: float
    grad_norm: float | None = None
    active_bytes: int
    peak_bytes: int
    cache_bytes: int


class Validated(Record):
    """Validation loss of the weights after ``update`` updates (0: before any)."""

    type: Literal["validation"] = "validation"
    update: int
    loss: float
    seconds: float
    tokens: int
    best: bool = False


class Tested(Record):
    type: Literal["test"] = "test"
    update: int
    loss: float
    seconds: float


class Checkpointed(Record):
    type: Literal["checkpoint"] = "checkpoint"
    update: int
    path: str
    seconds: float
    size_bytes: int
    reason: str = "scheduled"


class Sampled(Record):
    """A completion of ``prompt`` by the weights after ``update`` updates."""

    type: Literal["sample"] = "sample"
    update: int
    prompt: str
    text: str


class Acknowledged(Record):
    """The answer to a Command: every one gets exactly one. ``updates``: the run's new length."""

    type: Literal["command"] = "command"
    id: str
    action: str
    accepted: bool
    message: str = ""
    updates: int | None = None


class Paused(Record):
    type: Literal["paused"] = "paused"
    update: int
    reason: str = "asked"


class Resumed(Record):
    type: Literal["resumed"] = "resumed"
    update: int


class Note(Record):
    """Something the person should know; ``remedy`` says what to do about it."""

    type: Literal["note"] = "note"
    level: Literal["info", "warning", "error"] = "info"
    message: str
    remedy: str = ""


class Ended(Record):
    """The trainer's last word. Without it, the trainer died."""

    type: Literal["end"] = "end"
    status: EndStatus
    update: int
    title: str = ""
    message: str = ""
    remedy: str = ""
    kind: str | None = None
    peak_bytes: int | None = None


TrainerEvent = (
    Started
    | PhaseChanged
    | ModelLoaded
    | Updated
    | Validated
    | Tested
    | Checkpointed
    | Sampled
    | Acknowledged
    | Paused
    | Resumed
    | Note
    | Ended
)


class SupervisorStarted(Record):
    type: Literal["supervisor"] = "supervisor"
    pid: int
    pid_created: float
    keep_awake: str | None = None


class TrainerStarted(Record):
    type: Literal["trainer_started"] = "trainer_started"
    attempt: int
    pid: int
    pid_created: float


class MemorySampled(Record):
    type: Literal["memory"] = "memory"
    sample: MemorySample


class Diagnosis(BaseModel):
    """Why a trainer ended without saying so itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    title: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""


class TrainerExited(Record):
    """``exit_code`` as the shell counts it; ``signal`` by name when one ended it.

    ``high_water_bytes`` is the most memory the process held at any time, by the kernel's account.
    """

    type: Literal["trainer_exited"] = "trainer_exited"
    attempt: int
    exit_code: int | None = None
    signal: str | None = None
    diagnosis: Diagnosis | None = None
    high_water_bytes: int | None = None


class Guarded(Record):
    """The guard saw memory run out. ``level`` stop: it asked for a checkpoint and a stop.

    ``room_bytes`` is what the limit left the trainer in all; None where no limit told.
    """

    type: Literal["guard"] = "guard"
    attempt: int
    level: Literal["warn", "stop"]
    title: str
    evidence: tuple[str, ...] = ()
    room_bytes: int | None = None


class Recovery(BaseModel):
    """One way on that was taken: kept in the attempt's resume.json by whoever took it.

    ``rung`` is its name on the ladder, ``changes`` the plan fields that are not as before.
    ``lost_updates`` were made after the checkpoint and are made again. ``slowdown`` is how many
    times as long a token takes as in the attempt before, measured; None until it is.
    ``forecast_bytes`` is what the whole process was expected to need, of ``budget_bytes``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    after_attempt: int
    rung: str
    title: str
    changes: dict[str, Any] = {}
    from_update: int
    lost_updates: int
    forecast_bytes: int | None = None
    budget_bytes: int | None = None
    automatic: bool = False
    cause: str = ""
    slowdown: float | None = None


class Recovered(Record):
    """The attempt that a recovery started; once more when it is known what that costs."""

    type: Literal["recovered"] = "recovered"
    attempt: int
    recovery: Recovery


class RecoveryRefused(Record):
    """``on_oom = auto`` could or may not go on by itself: a person has to choose."""

    type: Literal["recovery_refused"] = "recovery_refused"
    attempt: int
    title: str
    message: str = ""
    remedy: str = ""


class SupervisorEnded(Record):
    type: Literal["supervisor_end"] = "supervisor_end"


SupervisorEvent = (
    SupervisorStarted
    | TrainerStarted
    | MemorySampled
    | TrainerExited
    | Guarded
    | Recovered
    | RecoveryRefused
    | Note
    | SupervisorEnded
)

Event = TrainerEvent | SupervisorEvent


class Command(Record):
    """What a cockpit asks of a run. ``id`` ties the acknowledgement to it."""

    id: str
    action: Action
    sender: str = ""
    prompt: str | None = None
    value: float | None = None


_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])


def parse_event(line: bytes) -> Event | None:
    """The event on a line, or None for a damaged line or a kind from a newer version."""
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


def parse_command(line: bytes) -> Command | None:
    """The command on a line, or None if it is malformed."""
    try:
        return Command.model_validate_json(line)
    except ValidationError:
        return None
