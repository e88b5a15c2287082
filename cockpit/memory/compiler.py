"""Whether mx.compile can do anything here: it joins operations, and a step then peaks elsewhere."""

from __future__ import annotations

import shutil
import sys

from cockpit.core.profiles import Backend


def has_compiler(backend: Backend) -> bool:
    """On a CPU mx.compile needs a C++ compiler, and does nothing without one."""
    return backend != "cpu" or sys.platform != "linux" or shutil.which("g++") is not None
