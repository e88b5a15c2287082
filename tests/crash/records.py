"""How a case went, and what the run left."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field

from cockpit.system.run_dir import RunDir
from tests.crash.cases import Case


@dataclass(slots=True)
class Round:
    """One start of a cockpit until nothing of the run lived any more."""

    action: str
    what: str
    resumed_from: int | None = None
    passed_over: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    ended: str = ""
    title: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Outcome:
    """How a case went; without ``problems`` it went as it must."""

    case: Case
    rounds: list[Round] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    weights_sha256: str = ""
    happened: int = 0
    slowest_truth_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reference:
    """The run that nothing happens to."""

    weights_sha256: str
    losses: list[tuple[int, float]]
    seconds: float


def weights(run: RunDir) -> str:
    """The sha256 of the final adapters."""
    return hashlib.sha256((run.adapters / "adapters.safetensors").read_bytes()).hexdigest()


def announced(run: RunDir) -> list[int]:
    """Updates at which trainers of the newest attempt said that they had saved."""
    path = run.attempts()[-1].trainer_events
    lines = path.read_bytes().splitlines() if path.exists() else []
    updates = []
    for line in lines:
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if event.get("type") == "checkpoint":
                updates.append(event["update"])
    return updates
