"""Work for a thread of which only the newest request matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Request = TypeVar("Request")


class Latest(Generic[Request]):
    """Has one request worked on at a time; of those that come meanwhile it keeps the newest.

    ``begin`` starts the work; whoever does it calls ``finished`` at its end, in the same thread
    as ``ask``.
    """

    def __init__(self, begin: Callable[[Request], object]) -> None:
        self._begin = begin
        self._busy = False
        self._next: Request | None = None

    @property
    def busy(self) -> bool:
        return self._busy

    @property
    def outdated(self) -> bool:
        """Whether a newer request waits than the one that is worked on."""
        return self._next is not None

    def ask(self, request: Request) -> None:
        if self._busy:
            self._next = request
        else:
            self._busy = True
            self._begin(request)

    def drop(self) -> None:
        """Forgets the request that waits."""
        self._next = None

    def finished(self) -> None:
        self._busy = False
        request, self._next = self._next, None
        if request is not None:
            self.ask(request)
