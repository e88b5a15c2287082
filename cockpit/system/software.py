"""Doctor's checks of the Python, the packages and the BLAS, without importing mlx."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
import sys

from cockpit.system.checks import Check
from cockpit.system.sensors.macos import Kernel, parse_int

DISTRIBUTION = "mlx-cockpit"
MLX_CUDA = ("mlx-cuda-13", "mlx-cuda-12")

# In the order the trainer may find one; the first that loads is used.
BLAS_LIBRARIES = ("libopenblas.so.0", "libmkl_rt.so.2", "libmkl_rt.so.1")


def python_check(kernel: Kernel | None = None) -> Check:
    """Version and architecture; under Rosetta mlx's Metal wheels cannot load."""
    value = f"{platform.python_version()} ({platform.machine()})"
    if kernel is not None and parse_int(kernel.sysctl("sysctl.proc_translated")) == 1:
        return Check(
            "Python",
            "fail",
            f"{value}, translated by Rosetta",
            "Install a native arm64 Python: mlx does not run under Rosetta.",
        )
    return Check("Python", "ok", value)


def package_checks() -> list[Check]:
    """mlx and mlx-lm: installed, and inside the range this version was tested with."""
    checks = [package_check(name, tested_range(name)) for name in ("mlx", "mlx-lm")]
    return checks + (linux_backend_checks() if sys.platform == "linux" else [])


def linux_backend_checks() -> list[Check]:
    """On Linux mlx computes through a second wheel; without one it does not even import."""
    names = ("mlx-cpu", *MLX_CUDA)
    found = [f"{name} {version}" for name in names if (version := installed_version(name))]
    if found:
        return [Check("mlx backend", "ok", ", ".join(found))]
    return [Check("mlx backend", "fail", "none installed", "pip install 'mlx[cpu]'")]


def installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def package_check(name: str, tested: str | None) -> Check:
    version = installed_version(name)
    if version is None:
        return Check(name, "fail", "not installed", f"pip install '{name}{tested or ''}'")
    if tested is None:
        return Check(name, "info", f"{version} (tested range n/a: run from source)")
    if not in_range(version, tested):
        remedy = f"pip install '{name}{tested}', or expect surprises."
        return Check(name, "warn", f"{version}, tested with {tested}", remedy)
    return Check(name, "ok", f"{version} (tested with {tested})")


def tested_range(name: str) -> str | None:
    """``>=a,<b`` as this package's own metadata requires it; None if it is not installed."""
    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    pattern = re.compile(rf"{re.escape(name)}(?:\[[^]]*\])?\s*([<>=!~][^;]*)")
    ranges = (match[1].strip() for line in requirements if (match := pattern.match(line)))
    # Metadata may order a range either way round; people read the lower bound first.
    return next((",".join(sorted(found.split(","), reverse=True)) for found in ranges), None)


def in_range(version: str, tested: str) -> bool:
    """Whether ``version`` is inside ``>=a,<b``; other operators are taken as satisfied."""
    number = _numbers(version)
    for bound in tested.split(","):
        if bound.startswith(">=") and number < _numbers(bound[2:]):
            return False
        if bound.startswith("<") and not bound.startswith("<=") and number >= _numbers(bound[1:]):
            return False
    return True


def blas_check() -> Check:
    """Whether a fast BLAS loads. In a child: a loaded one would keep its threads in this process.

    The gain is end to end: LoRA on SmolLM2-135M in float32 went from 3.9 to about 100 tokens/s.
    """
    for library in BLAS_LIBRARIES:
        code = f"import ctypes; ctypes.CDLL({library!r})"
        done = subprocess.run(
            [sys.executable, "-S", "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode == 0:
            return Check("BLAS", "ok", f"{library}: float32 training uses it")
    return Check(
        "BLAS",
        "warn",
        "only the reference BLAS that mlx brings",
        "apt install libopenblas0-pthread makes float32 training about 25 times faster.",
    )


def _numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"\s*(\d+(?:\.\d+)*)", version)
    numbers = [int(part) for part in release[1].split(".")] if release else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
