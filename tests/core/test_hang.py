"""Which silence is a hang: never one that sleep, compiling or a slow batch explains."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.core.hang import HangRules, Look, gpu_failed

UPDATE_SECONDS = (2.0, 2.0, 2.2, 2.0)
# 20 usual updates, and five minutes more.
WARN_AT = 60
END_AT = 360


def answers(seconds: int, **changes: Any) -> list[tuple[int, str]]:
    """What is said of a trainer that was silent for so long, with a look a second."""
    rules = HangRules()
    known: dict[str, Any] = {"events": 7, "making_updates": True, "update_seconds": UPDATE_SECONDS}
    looks = (Look(at=float(t), **(known | changes)) for t in range(seconds + 1))
    return [(t, a) for t, look in enumerate(looks) if (a := rules.see(look)) != "fine"]


def test_a_long_silence_is_told_once_and_ended_after_a_grace() -> None:
    said = answers(END_AT)
    assert said == [(WARN_AT, "warn"), (END_AT, "end")]


def test_the_threshold_is_the_runs_own() -> None:
    """Updates of a minute: twenty of them, and no less than five of the slowest."""
    assert answers(1199, update_seconds=(60.0,) * 5) == []
    assert answers(1200, update_seconds=(60.0,) * 5) == [(1200, "warn")]
    assert answers(1999, update_seconds=(1.0, 1.0, 1.0, 400.0)) == []


@pytest.mark.parametrize(
    "changes",
    [{"making_updates": False}, {"suspended": True}, {"update_seconds": (2.0, 2.0)}],
    ids=["loading, compiling, validating, saving or paused", "SIGSTOP", "too few updates"],
)
def test_silence_that_is_explained(changes: dict[str, Any]) -> None:
    assert answers(2 * END_AT, **changes) == []


def test_a_sleeping_laptop_is_not_a_hang() -> None:
    """Eight hours between two looks count as two seconds."""
    rules = HangRules()
    for at in (0.0, 1.0, 28_800.0, 28_801.0):
        look = Look(at=at, events=7, making_updates=True, update_seconds=UPDATE_SECONDS)
        assert rules.see(look) == "fine"
    assert rules.silent_seconds == 4.0


def test_any_event_ends_the_silence() -> None:
    rules = HangRules()
    said = []
    for second in range(1000):
        look = Look(float(second), second // 50, True, UPDATE_SECONDS)
        said.append(rules.see(look))
    assert set(said) == {"fine"}


def test_whether_it_computes() -> None:
    def stands_still(per_second: float | None) -> bool | None:
        rules = HangRules()
        for t in range(30):
            cpu = None if per_second is None else t * per_second
            rules.see(Look(float(t), 7, True, UPDATE_SECONDS, cpu_seconds=cpu))
        return rules.stands_still

    assert stands_still(0.001) is True
    assert stands_still(1.9) is False
    assert stands_still(None) is None


@pytest.mark.parametrize(
    "line",
    [
        "cudaMallocAsync(&data, size, stream) failed: out of memory",
        "RuntimeError: cudaGraphLaunch(graph, stream) failed: unspecified launch failure",
        "CUDA error: an illegal memory access was encountered",
        "[METAL] Command buffer execution failed: Insufficient Memory (00000008:kIOGPUCommand",
        "Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)",
    ],
)
def test_a_failed_gpu_is_known_by_its_words(line: str) -> None:
    assert gpu_failed(["before", f"  {line}", "after"]) == line


def test_talk_of_a_gpu_is_not_a_failure() -> None:
    assert (
        gpu_failed(["CUDA 13 found", "using Metal", "validation failed: none", "GPU: H200"]) is None
    )
