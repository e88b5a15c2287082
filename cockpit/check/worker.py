"""``python -m cockpit.check.worker``: does the stages that need mlx, one JSON line each way.

It ends when its standard input does; see ``client.py``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cockpit.errors import CockpitError
from cockpit.trainer import blas

if TYPE_CHECKING:
    from cockpit.check.operations import Subject


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever mlx-lm prints must not look like an answer
    blas.load()
    desk = Desk()
    for line in sys.stdin:
        print(json.dumps(_answer(desk, json.loads(line))), file=answers, flush=True)


class Desk:
    """Takes one request after the other; ``load`` begins another model."""

    def __init__(self) -> None:
        self._subject: Subject | None = None

    def do(self, what: str, asked: dict[str, Any]) -> dict[str, Any]:
        # Imports mlx, which has to come after the BLAS.
        from cockpit.check import operations, twin

        if what == "twin":
            folder = Path(asked["folder"])
            return {"parameters": twin.write(asked["config"], asked["packing"], folder)}
        if what == "adapters":
            return operations.adapters(Path(asked["folder"]))
        if what == "load":
            self._subject = operations.Subject(Path(asked["folder"]))
            return self._subject.load()
        assert self._subject is not None
        if what == "fuse":
            adapter, into = Path(asked["adapter"]), Path(asked["into"])
            return self._subject.fuse(adapter, into, asked["dequantize"])
        found: dict[str, Any] = getattr(self._subject, what)(Path(asked["folder"]))
        return found


def _answer(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"found": desk.do(request.pop("do"), request)}
    except CockpitError as error:
        return {"error": "\n".join(part for part in (error.title, error.message) if part)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
