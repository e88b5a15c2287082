"""Failures as values: what happened, where, and what to do about it."""

from __future__ import annotations


class CockpitError(Exception):
    """Something the person asked for cannot be done, and the message says what can.

    ``title`` is one line without a full stop, ``message`` says what was found and where,
    ``remedy`` is the next thing to try. ``exit_code`` is 2 for a wrong request and 1 for a
    right request that failed.
    """

    def __init__(self, title: str, message: str = "", remedy: str = "", *, exit_code: int = 2):
        super().__init__(title)
        self.title = title
        self.message = message
        self.remedy = remedy
        self.exit_code = exit_code

    def __str__(self) -> str:
        return "\n".join(part for part in (self.title, self.message, self.remedy) if part)

    def to_json(self) -> dict[str, str]:
        """The document that ``--json`` prints under ``error``."""
        return {"title": self.title, "message": self.message, "remedy": self.remedy}
