"""A doctor's finding."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "info", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``value`` is what was found; ``remedy`` is empty when all is well.

    ``info`` is neither good nor bad, ``warn`` costs speed or comfort, ``fail`` stops training.
    """

    name: str
    status: Status
    value: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)
