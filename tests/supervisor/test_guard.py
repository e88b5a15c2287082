"""The guard with real processes under real limits: what it prevents, and what it lets be."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cockpit.core import events as ev
from cockpit.core.plan import GuardMode
from cockpit.system import jsonl, run_dir
from cockpit.system.sensors import cgroup
from tests.supervisor.conftest import PLAN, Supervised

HUNGRY = Path(__file__).with_name("hungry.py")
LIMIT_MIB = 300
# Half a percent of the limit an update: slow enough for a supervisor on a busy machine.
LEAK = {"base": 240, "step": 1.5, "top": 10_000, "updates": 1000, "seconds": 0.15}

Feed = Callable[..., Supervised]


@pytest.fixture
def feed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Feed]:
    """Runs a hungry trainer to its end."""
    monkeypatch.setenv("COCKPIT_TRAINER_COMMAND", shlex.join([sys.executable, str(HUNGRY)]))
    fed: list[Supervised] = []

    def run(appetite: dict[str, Any], guard: GuardMode = "stop") -> Supervised:
        monkeypatch.setenv("HUNGRY", json.dumps(appetite))
        supervised = Supervised(run_dir.create(PLAN.with_changes(guard=guard)))
        fed.append(supervised)
        supervised.launch()
        supervised.until_over()
        return supervised

    yield run
    for supervised in fed:
        supervised.end_processes()


@pytest.fixture
def limited() -> Iterator[Path]:
    """A memory cgroup of this test's own, limited to LIMIT_MIB, where one may be made."""
    version, folders = cgroup.find(Path("/"), "self")
    if not folders:
        pytest.skip("no memory cgroup is mounted here")
    folder = folders[0] / f"cockpit-guard-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if version == 1 else "memory.max"
    try:
        folder.mkdir(exist_ok=True)
        (folder / limit).write_text(str(LIMIT_MIB * 2**20))
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    yield folder
    folder.rmdir()


def stops_asked(supervised: Supervised) -> list[str]:
    commands = map(ev.parse_command, jsonl.Tail(supervised.run.control).read())
    return [command.sender for command in commands if command is not None]


def test_a_leak_under_an_address_space_limit_is_stopped_in_time(feed: Feed) -> None:
    supervised = feed(LEAK | {"address_space": LIMIT_MIB})
    state = supervised.state()
    assert state.status == "stopped"
    assert state.guard is not None and state.guard.level == "stop"
    assert state.guard.evidence[0].startswith("address space (ulimit -v)")
    assert stops_asked(supervised) == ["guard"]
    assert state.update > 10


def test_a_leak_in_a_cgroup_is_stopped_in_time(feed: Feed, limited: Path) -> None:
    supervised = feed(LEAK | {"cgroup": str(limited)})
    state = supervised.state()
    assert state.status == "stopped"
    assert state.guard is not None and state.guard.level == "stop"
    assert state.guard.evidence[0].startswith("memory limit of the cgroup")
    assert state.update > 10


def test_a_run_at_95_percent_of_its_limit_finishes(feed: Feed, limited: Path) -> None:
    """It climbs there, and stays. What it took before it moved in is not the cgroup's."""
    top = 0.95 * LIMIT_MIB
    supervised = feed(
        {"base": top - 40, "step": 8, "top": top, "updates": 40, "seconds": 0.1}
        | {"cgroup": str(limited)}
    )
    state = supervised.state()
    assert state.status == "completed"
    assert stops_asked(supervised) == []
    assert max(s.limit_used_bytes or 0 for _, s in state.memory) > 0.94 * LIMIT_MIB * 2**20


def test_a_guard_that_only_warns_lets_the_kernel_kill(feed: Feed, limited: Path) -> None:
    supervised = feed(LEAK | {"cgroup": str(limited)}, guard="warn")
    assert stops_asked(supervised) == []
    assert {event.level for event in supervised.of(ev.Guarded)} == {"warn"}
    (exit,) = supervised.of(ev.TrainerExited)
    assert exit.signal == "SIGKILL"
    assert exit.diagnosis is not None
    assert exit.diagnosis.kind == "memory_kill"
    assert "the kernel killed 1 for memory just then" in exit.diagnosis.evidence


def test_a_guard_that_is_off_says_nothing(feed: Feed) -> None:
    """Python's own MemoryError is what ends this one."""
    supervised = feed(LEAK | {"address_space": LIMIT_MIB, "step": 8}, guard="off")
    assert supervised.of(ev.Guarded) == []
    (exit,) = supervised.of(ev.TrainerExited)
    assert exit.diagnosis is not None and exit.diagnosis.kind == "allocation"
