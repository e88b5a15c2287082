"""What is done to a run, drawn from a seed: who dies when, or which call fails, or which file."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Process = Literal["trainer", "supervisor", "cockpit"]
Call = Literal["fsync", "rename", "mkdir", "unlink", "symlink", "emit", "write"]
How = Literal["before", "half", "after", "enospc", "erofs"]
Manner = Literal["truncated", "zeroed", "bit-flipped"]

PROCESSES: tuple[Process, ...] = ("trainer", "supervisor", "cockpit")
GROUPS = [g for size in (1, 2, 3) for g in itertools.combinations(PROCESSES, size)]
MANNERS: tuple[Manner, ...] = ("bit-flipped", "truncated", "zeroed")


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to ``victims``, one after the other, ``gap`` seconds apart.

    ``share`` is when: of an undisturbed run's time since the launch, or, if ``update`` is given,
    that share of an update's time after that update was reported.
    """

    victims: tuple[Process, ...]
    share: float
    update: int | None
    gap: float

    def __str__(self) -> str:
        moment = f"{self.share:.0%} of its time" if self.update is None else f"update {self.update}"
        return f"kill -9 {' + '.join(self.victims)} at {moment}"


@dataclass(frozen=True, slots=True)
class Fault:
    """The ``nth`` ``call`` of a process ends in SIGKILL, or is refused for a while."""

    process: Process
    call: Call
    nth: int
    how: How

    @property
    def kills(self) -> bool:
        return self.how in ("before", "half", "after")

    def __str__(self) -> str:
        what = f"kill -9 {self.process} {self.how}" if self.kills else f"{self.how} {self.process}"
        return f"{what} {self.call} no. {self.nth}"


@dataclass(frozen=True, slots=True)
class Damage:
    """``file`` is in a folder: that of the newest ``checkpoint`` or ``attempt``, or of the ``run``.

    With SEAL at its end only the checksum in it is meant.
    """

    file: str
    manner: Manner

    def __str__(self) -> str:
        return f"{self.file} {self.manner}"


@dataclass(frozen=True, slots=True)
class Case:
    """One run's life. It is resumed after each of ``deaths``, and undisturbed in the end."""

    number: int
    deaths: tuple[Kill | Fault, ...]
    damage: Damage | None = None

    def __str__(self) -> str:
        told = ", then ".join(map(str, self.deaths))
        return f"{told}; {self.damage}" if self.damage else told


SEAL = "#sha256"
# As many as have no factor in common with the manners, so that every pair has its turn.
FILES = (
    "checkpoint/state.json",
    "checkpoint/optimizer.safetensors",
    "checkpoint/adapters.safetensors",
    "checkpoint/state.json" + SEAL,
    "checkpoint/adapter_config.json",
    "run/supervisor.jsonl",
    "attempt/trainer.jsonl",
    "run/control.jsonl",
    "attempt/plan.toml",
    "run/plan.toml",
)


def cases(count: int, seed: int, updates: int) -> Iterator[Case]:
    """``count`` cases, every kind in turn, so that few of them are still a bit of each."""
    rng = random.Random(seed)
    groups = itertools.cycle(GROUPS)
    files = itertools.cycle(FILES)
    manners = itertools.cycle(MANNERS)
    for number in range(1, count + 1):
        place = number % 10
        deaths: list[Kill | Fault]
        if place in (1, 4, 7, 9):
            deaths = [_kill(rng, next(groups), updates)]
        elif place in (2, 5):
            deaths = [_trainer_fault(rng)]
        elif place == 8:
            deaths = [_other_fault(rng)]
        elif place == 0:
            deaths = [_refusal(rng)]
        else:
            death = _kill(rng, ("trainer",), updates, in_training=True)
            yield Case(number, (death,), Damage(next(files), next(manners)))
            continue
        if rng.random() < 0.3:
            deaths.append(_kill(rng, next(groups), updates))
        yield Case(number, tuple(deaths))


def _kill(
    rng: random.Random, victims: tuple[Process, ...], updates: int, *, in_training: bool = False
) -> Kill:
    order = rng.sample(victims, len(victims))
    at_update = in_training or rng.random() < 0.5
    update = rng.randint(1 + updates // 4 if in_training else 1, updates) if at_update else None
    return Kill(tuple(order), rng.random(), update, rng.choice((0.0, 0.0, 0.002, 0.02)))


def _trainer_fault(rng: random.Random) -> Fault:
    call, most, hows = rng.choice(_TRAINER_CALLS)
    return Fault("trainer", call, rng.randint(1, most), rng.choice(hows))


def _other_fault(rng: random.Random) -> Fault:
    process, call, most, hows = rng.choice(_OTHER_CALLS)
    return Fault(process, call, rng.randint(1, most), rng.choice(hows))


def _refusal(rng: random.Random) -> Fault:
    process, call, most = rng.choice(_REFUSED_CALLS)
    how: How = rng.choice(("enospc", "erofs")) if process == "trainer" else "erofs"
    return Fault(process, call, rng.randint(1, most), how)


_AROUND: tuple[How, ...] = ("before", "after")
_WITHIN: tuple[How, ...] = ("before", "half", "after")
# How often an undisturbed run makes each call, about; a fault that is never met is no fault.
_TRAINER_CALLS: tuple[tuple[Call, int, tuple[How, ...]], ...] = (
    ("fsync", 48, _AROUND),
    ("rename", 16, _AROUND),
    ("mkdir", 8, _AROUND),
    ("unlink", 16, _AROUND),
    ("symlink", 8, _AROUND),
    ("emit", 48, _WITHIN),
    ("write", 29, _WITHIN),
)
_OTHER_CALLS: tuple[tuple[Process, Call, int, tuple[How, ...]], ...] = (
    ("supervisor", "emit", 4, _WITHIN),
    ("cockpit", "mkdir", 3, _AROUND),
    ("cockpit", "rename", 3, _AROUND),
    ("cockpit", "write", 2, _WITHIN),
)
_REFUSED_CALLS: tuple[tuple[Process, Call, int], ...] = (
    ("trainer", "write", 29),
    ("trainer", "fsync", 48),
    ("trainer", "emit", 48),
    ("trainer", "mkdir", 7),
    ("cockpit", "mkdir", 2),
    ("cockpit", "write", 2),
)
