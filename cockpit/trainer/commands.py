"""Commands from control.jsonl: each obeyed once, acknowledged once."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from cockpit.core.events import Acknowledged, Command, parse_command, parse_event
from cockpit.system.asked import Beginning
from cockpit.system.jsonl import Tail, lines_of


class Inbox:
    """The commands of one attempt, in order.

    ``beginning`` is that of the attempt: of what is there at the first look, only what was asked
    after it is obeyed. What is appended later is obeyed whatever its time: the clock may be set
    while the trainer lives. Looking costs one stat when nothing was written.
    """

    def __init__(self, path: Path, beginning: Beginning, done: set[str] | None = None):
        self._path = path
        self._tail = Tail(path, beginning.place)
        self._since = beginning.since
        # Whoever replaces the file by an older copy of it has nothing obeyed again.
        self._seen = set(done or ()) | _ids_before(path, beginning.place)
        self._waiting: deque[Command] = deque()

    def next(self) -> Command | None:
        """The next command to obey, if there is one."""
        self._look()
        return self._waiting.popleft() if self._waiting else None

    @property
    def stop_waiting(self) -> bool:
        """Whether a stop is among the commands that were not taken yet."""
        self._look()
        return any(command.action == "stop" for command in self._waiting)

    def _look(self) -> None:
        try:
            if self._path.stat().st_size != self._tail.offset:
                while lines := self._tail.read():
                    self._take(lines)
        except FileNotFoundError:
            pass
        except OSError:
            # A file that cannot be read just now is no reason to stop training.
            return
        self._since = 0.0

    def _take(self, lines: list[bytes]) -> None:
        for command in filter(None, map(parse_command, lines)):
            if command.id not in self._seen and command.t >= self._since:
                self._waiting.append(command)
            self._seen.add(command.id)


def _ids_before(path: Path, place: int) -> set[str]:
    try:
        with path.open("rb") as file:
            lines = lines_of(file.read(place))
    except OSError:
        return set()
    return {command.id for command in map(parse_command, lines) if command is not None}


def already_acknowledged(events: Path) -> set[str]:
    """Ids answered in ``events``: a trainer that is started again in its attempt repeats none."""
    done = set()
    tail = Tail(events)
    while lines := tail.read():
        for line in lines:
            if b'"command"' in line and isinstance(event := parse_event(line), Acknowledged):
                done.add(event.id)
    return done
