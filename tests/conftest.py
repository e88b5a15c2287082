"""What holds for all tests."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # One worker a core: a BLAS that takes every core for each of them waits more than it works.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
