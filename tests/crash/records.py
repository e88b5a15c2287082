"""How a case went, what the run left, and the damage that is done to it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
from dataclasses import dataclass, field

from cockpit.system import checkpoints
from cockpit.system.run_dir import RunDir
from tests.crash.cases import Case, Damage


@dataclass(slots=True)
class Round:
    """One start of a cockpit until nothing of the run lived any more."""

    action: str
    what: str
    resumed_from: int | None = None
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


def damage_file(run: RunDir, damage: Damage, rng: random.Random) -> None:
    """Does to a file what a power cut, a dying disk or cosmic rays do."""
    path = checkpoints.complete(run)[-1] / damage.file
    if damage.file.startswith("./"):
        name = damage.file.removeprefix("./")
        here = run.path / name
        path = (
            here
            if name in ("supervisor.jsonl", "control.jsonl")
            else run.attempts()[-1].path / name
        )
    if not path.exists():
        path.write_bytes(b"")
    content = bytearray(path.read_bytes())
    if damage.manner == "truncated":
        content = content[: rng.randrange(len(content)) if content else 0]
    elif damage.manner == "zeroed":
        content = bytearray(len(content))
    elif content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
