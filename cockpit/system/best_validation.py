"""The lowest validation loss of a run, found without parsing its updates.

Only the lines that matter are looked for, and only in what was written since the last call: a
list of runs asks again every few seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.core import events as ev
from cockpit.core.run_state import RunState, apply
from cockpit.system import jsonl
from cockpit.system.run_dir import RunDir

# An attempt's start takes back the validations after its checkpoint.
_WANTED = re.compile(rb'"type":"(?:validation|started)"')
_BLOCK_BYTES = 64 << 10


@dataclass(slots=True)
class _Follower:
    state: RunState = field(default_factory=RunState)
    tails: dict[Path, jsonl.Tail] = field(default_factory=dict)


_followers: dict[Path, _Follower] = {}


def of(run: RunDir) -> float | None:
    """The best validation loss so far; None if there is none. Never raises.

    For one thread at a time.
    """
    follower = _followers.setdefault(run.path, _Follower())
    for attempt in run.attempts():
        tail = follower.tails.setdefault(attempt.trainer_events, jsonl.Tail(attempt.trainer_events))
        for line in _new_lines(tail):
            if (event := ev.parse_event(line)) is not None:
                apply(follower.state, event)
    losses = [v.loss for v in follower.state.validations if math.isfinite(v.loss)]
    return min(losses, default=None)


def _new_lines(tail: jsonl.Tail) -> Iterator[bytes]:
    try:
        while block := tail.read_block(_BLOCK_BYTES):
            for match in _WANTED.finditer(block):
                start = block.rfind(b"\n", 0, match.start()) + 1
                yield block[start : block.find(b"\n", start)]
    except OSError:
        return
