"""What is left of a trainer that died, as lines to read: its exit, its last memory, its log."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cockpit.core.events import Diagnosis
from cockpit.core.format import gigabytes
from cockpit.core.samples import MemorySample

EVIDENCE_LINES = 5
# What every healthy run prints: progress, and a tokenizer that is told to cut afterwards.
_PROVES_NOTHING = re.compile(r"^update \d+: |Token indices sequence length is longer than")
_LAST_SAMPLE = "last sample: "


def of_exit(
    exit_code: int | None,
    signal: str | None,
    oom_kills_delta: int | None,
    address_space_bytes: int | None,
) -> tuple[str, ...]:
    if signal is not None:
        lines = [f"ended by {signal}"]
    else:
        lines = ["exit code not known" if exit_code is None else f"exit code {exit_code}"]
    if oom_kills_delta is not None:
        lines.append(
            f"the kernel killed {oom_kills_delta} for memory just then"
            if oom_kills_delta
            else "the kernel killed nothing for memory just then"
        )
    if address_space_bytes is not None:
        lines.append(f"address space limited to {gigabytes(address_space_bytes)}")
    return tuple(lines)


def of_memory(last: MemorySample | None) -> tuple[str, ...]:
    if last is None:
        return ()
    parts = [
        f"{label} {gigabytes(used)}" + (f" of {gigabytes(total)}" if total else "")
        for label, used, total in (
            ("trainer", last.footprint_bytes, None),
            ("RAM used", last.ram_used_bytes, last.ram_total_bytes),
            ("limit used", last.limit_used_bytes, last.limit_bytes),
            ("swap used", last.swap_used_bytes, last.swap_total_bytes),
        )
        if used is not None
    ]
    if last.pressure is not None:
        parts.append(f"pressure {last.pressure}")
    return (_LAST_SAMPLE + ", ".join(parts),) if parts else ()


def of_log(log_tail: Sequence[str]) -> tuple[str, ...]:
    """The last lines of a log, but for what says nothing of how it ended."""
    lines = (line.strip() for line in log_tail)
    return tuple(x for x in lines if x and not _PROVES_NOTHING.search(x))[-EVIDENCE_LINES:]


def dated(
    diagnosis: Diagnosis, memory: Sequence[tuple[float, MemorySample]], end: float
) -> Diagnosis:
    """``diagnosis`` with how long before the ``end`` its last sample was read.

    The last reading may be of the trainer alone: the rest of that sample is from the one before.
    """
    if not memory:
        return diagnosis
    at, last = memory[-1]
    ages = [end - at]
    if len(memory) > 1:
        before, sample = memory[-2]
        if sample.model_copy(update={"footprint_bytes": last.footprint_bytes}) == last != sample:
            ages.append(end - before)
    age = " to ".join(dict.fromkeys(f"{max(0.0, seconds):.1f}" for seconds in sorted(ages)))
    evidence = tuple(
        f"last sample, {age} s before the end: {line.removeprefix(_LAST_SAMPLE)}"
        if line.startswith(_LAST_SAMPLE)
        else line
        for line in diagnosis.evidence
    )
    return diagnosis.model_copy(update={"evidence": evidence})
