"""The most memory a process ever held, as the kernel counts it."""

from __future__ import annotations

import resource
import sys

_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def of(usage: resource.struct_rusage) -> int | None:
    """From ``getrusage`` or ``wait4``, in bytes; None where the kernel does not count."""
    return usage.ru_maxrss * _UNIT_BYTES or None


def own() -> int | None:
    return of(resource.getrusage(resource.RUSAGE_SELF))
