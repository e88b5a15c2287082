"""A stand-in whose updates take more and more memory: HUNGRY is JSON with its appetite.

``base`` MiB are taken before the first update, then ``step`` MiB an update up to ``top`` MiB, for
``updates`` updates of ``seconds``. ``cgroup`` is a folder it moves into first; ``address_space``
is its limit in MiB on top of what a Python with these modules takes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from cockpit.core import events as ev
from cockpit.system.run_dir import RunDir
from tests.supervisor import stand_in
from tests.supervisor.stand_in import StandIn

MIB = 2**20


class Hungry(StandIn):
    def __init__(self, run: RunDir, number: int, appetite: dict[str, float]):
        super().__init__(run, number, "train")
        self.appetite = appetite
        self.held: list[bytearray] = []
        self.held_mib = 0.0

    def eat(self, mib: float) -> None:
        """Touches every page, so that it is resident."""
        if mib > 0:
            self.held.append(bytearray(b"x") * int(mib * MIB))
            self.held_mib += mib

    def train(self) -> int:
        self._start()
        self.eat(self.appetite["base"])
        while self.update < self.appetite["updates"]:
            self.eat(min(self.appetite["step"], self.appetite["top"] - self.held_mib))
            time.sleep(self.appetite["seconds"])
            self._one_update()
            if self._asked_to_stop():
                self.write(ev.Ended(status="stopped", update=self.update))
                return 0
        self.write(ev.Ended(status="completed", update=self.update))
        return 0


def limit_address_space(mib: float) -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limit = taken + int(mib * MIB)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    wanted = json.loads(os.environ["HUNGRY"])
    if "cgroup" in wanted:
        (Path(wanted["cgroup"]) / "cgroup.procs").write_text(str(os.getpid()))
    if "address_space" in wanted:
        limit_address_space(wanted["address_space"])
    stand_in.UPDATE_SECONDS = wanted["seconds"]
    sys.exit(Hungry(RunDir(Path(sys.argv[-2])), int(sys.argv[-1]), wanted).train())
