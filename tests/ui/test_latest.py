"""One request at a time, and of the others only the newest."""

from __future__ import annotations

from cockpit.ui.latest import Latest


def test_of_those_that_wait_only_the_newest_is_worked_on() -> None:
    begun: list[int] = []
    latest = Latest[int](begun.append)
    for request in (1, 2, 3):
        latest.ask(request)
    assert begun == [1] and latest.busy
    latest.finished()
    assert begun == [1, 3] and latest.busy
    latest.finished()
    assert begun == [1, 3] and not latest.busy


def test_what_waits_can_be_dropped() -> None:
    begun: list[int] = []
    latest = Latest[int](begun.append)
    latest.ask(1)
    latest.ask(2)
    latest.drop()
    latest.finished()
    assert begun == [1] and not latest.busy
