"""What eight screens look like at two sizes, cell by cell, kept as text in ``snapshots``.

A change of a screen is meant to fail here. Look at the difference, and if it is the one you
wanted, write the pictures anew and read them in the change:

    UPDATE_SNAPSHOTS=1 python -m pytest tests/ui/test_snapshots.py -n 0

Runs, clock, machine and time zone are fixed. Prices of ways on are stand-ins, and no model is
traced: both are tested elsewhere.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.embedded import demo_data_path
from cockpit.system import hardware
from cockpit.ui import recovering
from cockpit.ui.tracing import Tracer
from tests.ui import recorded_runs as recorded
from tests.ui.conftest import opened, screen_text, until, until_shown

FOLDER = Path(__file__).parent / "snapshots"
SIZES = ((80, 24), (120, 40))
# Less than any screen needs: nothing is lost but room.
TINY = (20, 5)
UPDATE = bool(os.environ.get("UPDATE_SNAPSHOTS"))
# A screen that differs is looked at again for so long: it may not have come to rest.
PATIENCE_SECONDS = 10.0
AT_REST_SECONDS = 1.0

Way = Callable[[Pilot[None]], Awaitable[object]]


@pytest.fixture(autouse=True)
def fixed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A MacBook Air of 8 GB in Greenwich, with the demo's data in the folder ``demo``."""
    shutil.copytree(demo_data_path(), "demo")
    (home / "profiles").mkdir(parents=True)
    shipped, own = hardware.profile_folders()
    shutil.copy(shipped / "m2-air-8.toml", own / f"{hardware.THIS_MACHINE}.toml")
    monkeypatch.setattr(Tracer, "allow", lambda self: None)
    monkeypatch.setattr(recovering, "_oracle", lambda situation: contextlib.nullcontext(Prices()))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Prices:
    """Of a plan, by what it changes."""

    def price(self, plan: RunPlan) -> MemoryForecast:
        share = (
            plan.batch_size / 4 * plan.max_seq_length / 128 * (0.4 if plan.grad_checkpoint else 1)
        )
        parts = {"weights": 800_000_000, "activations": int(1_600_000_000 * share)}
        peak = sum(parts.values())
        return MemoryForecast(
            peak_bytes=peak, low_bytes=peak, high_bytes=peak, parts=parts, method="trace"
        )

    def lengths(self, plan: RunPlan) -> None:
        return None


@dataclass(frozen=True)
class Picture:
    """A screen: where the interface starts, the way there, what tells that all of it is there."""

    start: Callable[[], object]
    way: Way
    shows: tuple[str, ...]


def keys(*pressed: str, after: str) -> Way:
    async def press(pilot: Pilot[None]) -> None:
        await until_shown(pilot, after)
        await pilot.press(*pressed)

    return press


async def stay(pilot: Pilot[None]) -> None:
    """It opens there."""


def three_runs() -> str:
    recorded.going()
    recorded.completed()
    recorded.killed()
    return "runs"


def two_to_compare() -> str:
    recorded.completed("20260920-0900-nano-high", rate=5e-4, final=1.2)
    recorded.completed("20260920-1000-nano-low", rate=5e-5, final=1.9)
    return "runs"


PICTURES = {
    "choose": Picture(lambda: "choose", stay, ("ready to launch", "fits · rough", "demo")),
    "run": Picture(recorded.going, stay, ("● running", "120 of 200", "training 98,304 weights")),
    "runs": Picture(three_runs, stay, ("running", "completed", "failed")),
    "compare": Picture(
        two_to_compare,
        keys("space", "space", "c", after="nano-high"),
        ("learning_rate", "nano-low"),
    ),
    "recover": Picture(
        recorded.killed, keys("R", after="R Recover"), ("What happened", "Smaller micro-batches")
    ),
    "data": Picture(lambda: "choose", keys("D", after="ready to launch"), ("f Folder", "longest")),
    "profiles": Picture(
        lambda: "choose", keys("m", after="ready to launch"), ("m2-air-8", "budget")
    ),
    "help": Picture(recorded.going, keys("question_mark", after="120 of 200"), ("Pause",)),
}


@pytest.mark.parametrize("name", PICTURES)
async def test_the_screen_is_the_one_on_record(name: str) -> None:
    """At both sizes, and at the larger once more after a terminal of 20 x 5."""
    picture = PICTURES[name]
    plan = recorded.PLAN
    async with opened(picture.start(), SIZES[0], plan) as pilot:
        await picture.way(pilot)
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await until_shown(pilot, *picture.shows)
            if UPDATE:
                path_of(name, size).write_text(await at_rest(pilot), encoding="utf-8")
            await compare(pilot, path_of(name, size))
        await pilot.resize_terminal(*TINY)
        await until(pilot, lambda: len(screen_text(pilot).splitlines()) == TINY[1])
        await pilot.resize_terminal(*SIZES[-1])
        await compare(pilot, path_of(name, SIZES[-1]))


def path_of(name: str, size: tuple[int, int]) -> Path:
    return FOLDER / f"{name}-{size[0]}x{size[1]}.txt"


async def compare(pilot: Pilot[None], path: Path) -> None:
    """The screen with the record; it may take a while to come to rest."""
    wanted = path.read_text(encoding="utf-8") if path.exists() else ""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (shown := picture_of(pilot)) != wanted:
        if time.monotonic() > deadline:
            pytest.fail(difference(wanted, shown, path), pytrace=False)
        await pilot.pause(0.05)


async def at_rest(pilot: Pilot[None]) -> str:
    shown, since = picture_of(pilot), time.monotonic()
    while time.monotonic() - since < AT_REST_SECONDS:
        await pilot.pause(0.05)
        if (now := picture_of(pilot)) != shown:
            shown, since = now, time.monotonic()
    return shown


def picture_of(pilot: Pilot[None]) -> str:
    """The characters of the screen; blanks at the ends of lines are left out."""
    return "".join(f"{row.rstrip()}\n" for row in screen_text(pilot).splitlines())


def difference(wanted: str, shown: str, path: Path) -> str:
    lines = difflib.unified_diff(
        wanted.splitlines(), shown.splitlines(), "on record", "on screen", lineterm="", n=2
    )
    said = "\n".join(lines)
    return f"{path.name} differs (how to write it anew: see the top of this file)\n{said}"
