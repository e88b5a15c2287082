"""A stand-in that dies of a lack of memory until its plan has what STARVING names.

``STARVING`` is a field of the plan that must be true; without it every attempt dies. The trainer
really holds memory, so that the kernel has something to tell of it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cockpit.system.run_dir import RunDir
from tests.supervisor.stand_in import StandIn

HELD_BYTES = 300 * 2**20


class Starving(StandIn):
    def _misbehave(self) -> None:
        self.behaviour = "metal"
        super()._misbehave()


if __name__ == "__main__":
    run, number = RunDir(Path(sys.argv[-2])), int(sys.argv[-1])
    wanted = os.environ.get("STARVING")
    fits = wanted is not None and bool(getattr(run.attempt(number).plan(), wanted))
    held = bytearray(b"x") * HELD_BYTES
    sys.exit((StandIn if fits else Starving)(run, number, "train").train())
