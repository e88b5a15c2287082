"""Following a run as lines says everything once, however long the run is."""

from __future__ import annotations

import pytest

from cockpit.cli.follow import Printed, print_progress
from cockpit.core import events as ev
from cockpit.core import series
from cockpit.core.run_state import RECENT_CHECKPOINTS, RECENT_NOTES, RunState, apply, with_recovery

UPDATES = 100_000


def started(attempt: int = 1, update: int = 0) -> ev.Started:
    return ev.Started(
        attempt=attempt, pid=1, pid_created=1.0, update=update, updates=UPDATES, device="abacus"
    )


def updated(update: int) -> ev.Updated:
    return ev.Updated(
        update=update, epoch=0.0, loss=2.0, learning_rate=1e-4, tokens=10, trained_tokens=10,
        seconds=0.1, tokens_per_second=100.0, active_bytes=1, peak_bytes=1, cache_bytes=0,
    )  # fmt: skip


def validated(update: int, loss: float = 2.0) -> ev.Validated:
    return ev.Validated(update=update, loss=loss, seconds=1.0, tokens=10)


def saved(update: int) -> ev.Checkpointed:
    return ev.Checkpointed(update=update, path="x", seconds=1.0, size_bytes=1)


class Follower:
    """One who has been following a run, and what is said to them."""

    def __init__(self, capsys: pytest.CaptureFixture[str]):
        self._capsys = capsys
        self._printed = Printed()
        self.state = RunState()

    def hears(self, *events: ev.Event) -> list[str]:
        """What is said once these events have happened."""
        for event in events:
            apply(self.state, event)
        print_progress(self.state, self._printed, report_every=1)
        return self._capsys.readouterr().err.splitlines()


@pytest.fixture
def follower(capsys: pytest.CaptureFixture[str]) -> Follower:
    return Follower(capsys)


def test_every_validation_is_said_once_though_old_ones_are_forgotten(follower: Follower) -> None:
    follower.hears(started())
    said = 0
    for update in range(1, series.MOST_POINTS + 1500):
        (line,) = follower.hears(validated(update, loss=update / 1000))
        assert line == f"update {update:>6}/100000  validation loss {update / 1000:.3f}"
        said += 1
    assert len(follower.state.validations) < said, "the state did forget some"
    assert follower.hears() == []


def test_every_checkpoint_and_note_is_said_once_though_old_ones_are_forgotten(
    follower: Follower,
) -> None:
    follower.hears(started())
    for update in range(1, 2 * RECENT_CHECKPOINTS + 10):
        assert follower.hears(saved(update)) == [
            f"update {update:>6}/100000  checkpoint (scheduled)"
        ]
    # A clock that is set back hides nothing.
    for second in range(RECENT_NOTES + 10, 0, -1):
        note = ev.Note(t=second, level="info", message=f"note {second}")
        assert follower.hears(note) == [f"info: note {second}"]
    assert follower.hears() == []


def test_two_of_one_update_are_both_said(follower: Follower) -> None:
    assert len(follower.hears(started(), validated(5))) == 1
    assert len(follower.hears(validated(5))) == 1
    assert len(follower.hears(saved(5), validated(6))) == 2


def test_an_attempt_that_goes_back_is_followed_from_there(follower: Follower) -> None:
    events = [e for u in range(1, 9) for e in (updated(u), validated(u))]
    follower.hears(started(), *events, saved(4), saved(8))
    assert follower.hears(started(attempt=2, update=4)) == []
    lines = follower.hears(updated(5), validated(5), saved(5))
    assert len(lines) == 3 and all(" 5/100000" in line for line in lines)


def test_whoever_attaches_late_hears_the_end_of_it(follower: Follower) -> None:
    events = [e for u in range(1, 300) for e in (updated(u), validated(u), saved(u))]
    lines = follower.hears(started(), *events)
    assert len(lines) == 15
    assert all(f"{update}/100000" in "".join(lines) for update in range(295, 300))


def test_the_guard_a_pause_and_what_looks_wrong_are_said_once(follower: Follower) -> None:
    follower.hears(started(), ev.PhaseChanged(phase="training"))
    seen = ev.Guarded(attempt=1, level="warn", title="Memory is nearly full", evidence=("95 %",))
    said = follower.hears(seen)
    assert said[0] == "warning: Memory is nearly full: 95 %" and said[1].startswith("  -> ")
    assert follower.hears(ev.Paused(update=0)) == ["paused ..."]
    assert follower.hears(ev.Resumed(update=0)) == ["running again"]
    for update in range(1, 61):
        follower.hears(updated(update))
    spiked = [updated(61 + i).model_copy(update={"loss": 9.0}) for i in range(5)]
    said = follower.hears(*spiked)
    assert any(line.startswith("warning: The loss spiked") for line in said)
    assert follower.hears() == []


def test_a_recovery_after_the_guard_s_stop_is_not_running_again(follower: Follower) -> None:
    follower.hears(started())
    stopping = ev.Acknowledged(id="1", action="stop", accepted=True)
    assert follower.hears(stopping) == ["stopping ..."]
    apply(follower.state, ev.Ended(status="stopped", update=0))
    with_recovery(follower.state, True)
    assert follower.hears() == []


def noted(message: str) -> ev.Note:
    return ev.Note(level="info", message=message)


def test_what_happened_is_told_in_its_order(follower: Follower) -> None:
    """Of a run that recovered and is over, whoever attaches hears attempt 1 before attempt 2."""
    recovery = ev.Recovery(
        after_attempt=1, rung="batch_size", title="Smaller", from_update=2, lost_updates=1
    )
    slower = recovery.model_copy(update={"slowdown": 1.5})
    first = (started(), noted("float32"), validated(0, 9.0), updated(1), updated(2), saved(2))
    second = (started(2, 2), noted("float32"), ev.Recovered(attempt=2, recovery=recovery))
    rest = (updated(3), ev.Recovered(attempt=2, recovery=slower), updated(4), validated(4, 8.0))
    said = follower.hears(*first, updated(3), *second, *rest, saved(4), noted("The end"))
    assert [line.split("  rate")[0].removeprefix("update      ") for line in said] == [
        "info: float32",
        "0/100000  validation loss 9.000",
        "1/100000  loss 2.000",
        "2/100000  loss 2.000",
        "2/100000  checkpoint (scheduled)",
        "attempt 2 recovers from update 2 (1 made again): Smaller",
        "attempt 2: a token takes 1.50 times as long as before, measured",
        "3/100000  loss 2.000",
        "4/100000  loss 2.000",
        "4/100000  validation loss 8.000",
        "4/100000  checkpoint (scheduled)",
        "info: The end",
    ]
