"""Failures the trainer can name; anything else is an error with its own text."""

from __future__ import annotations

from cockpit.errors import CockpitError


class Failure(CockpitError):
    """A CockpitError with the ``kind`` that the end event carries."""

    def __init__(
        self, kind: str, title: str, message: str = "", remedy: str = "", *, exit_code: int = 2
    ):
        super().__init__(title, message, remedy, exit_code=exit_code)
        self.kind = kind


class Stopped(Exception):
    """A stop was asked for before the first update; there is nothing to save."""


def brief(error: BaseException) -> str:
    """An exception on one line, with its kind where the text alone says too little."""
    text = " ".join(str(error).split())
    if not text or isinstance(error, KeyError | IndexError | TypeError | AttributeError):
        return f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text


class StopFlag:
    """Set by a signal; looked at between updates, examples and batches."""

    def __init__(self) -> None:
        self.requested = False

    def request(self) -> None:
        self.requested = True
