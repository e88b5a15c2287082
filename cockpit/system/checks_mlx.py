"""Doctor's checks of MLX itself: does it compute, on what, and how fast. In a child process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from cockpit.core.profiles import GIB
from cockpit.system.checks import Check, Status
from cockpit.system.sensors.macos import Kernel, parse_int

# Loads the BLAS that the trainer would, multiplies float32 matrices, and says what it found.
_PROBE = """
import json, time
from cockpit.trainer import blas
found = {"blas": blas.load()}
import mlx.core as mx
a = mx.random.normal((512, 512))
mx.eval(a @ a)
best = 1e9
for _ in range(3):
    started = time.perf_counter()
    mx.eval(a @ a)
    best = min(best, time.perf_counter() - started)
found["gflops"] = 2 * 512**3 / best / 1e9
found["device"] = "gpu" if mx.default_device() == mx.gpu else "cpu"
found["working_set"] = mx.device_info().get("max_recommended_working_set_size")
print(json.dumps(found))
"""
_PROBE_SECONDS = 30.0
# Reference BLAS reaches 1 to 2 GFLOP/s on one core, OpenBLAS 20 to 110 on two.
_SLOW_GFLOPS = 10.0
_MOST_WIRED_SHARE = 0.9
_SUGGESTED_SHARE = 0.8
_UNVALIDATED = "not validated on a Mac"


@dataclass(frozen=True, slots=True)
class Probe:
    """What MLX answered in a process of its own; ``problem`` where it did not."""

    device: str | None = None
    blas: str | None = None
    gflops: float | None = None
    working_set_bytes: int | None = None
    problem: str = ""


def probe() -> Probe:
    """Asks MLX. Takes about a second: its start, and three products of 512 x 512 matrices."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Probe(problem=f"no answer in {_PROBE_SECONDS:.0f} s")
    except OSError as error:
        return Probe(problem=str(error))
    if done.returncode:
        said = done.stderr.strip().splitlines()
        return Probe(problem=said[-1] if said else f"it ended with code {done.returncode}")
    return parse(done.stdout)


def parse(answer: str) -> Probe:
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError:
        return Probe(problem="its answer could not be read")
    size = found.get("working_set")
    return Probe(
        device=found.get("device"),
        blas=found.get("blas"),
        gflops=found.get("gflops"),
        working_set_bytes=size if isinstance(size, int) else None,
    )


def speed_check(found: Probe, platform: str = sys.platform) -> Check:
    """Whether MLX computes here; on a CPU also how fast, for that decides whether it is usable."""
    name = "Matrix speed"
    if found.problem or found.gflops is None:
        return Check(
            name,
            "fail",
            f"MLX does not compute: {found.problem or 'n/a'}",
            "Install mlx again, for this Python and this machine.",
        )
    value = f"{found.gflops:.3g} GFLOP/s in float32 on the {found.device or 'n/a'}"
    if found.blas:
        value += f", {found.blas}"
    if platform == "linux" and found.device == "cpu" and found.gflops < _SLOW_GFLOPS:
        remedy = "Something else may use the cores."
        if not found.blas:
            remedy = "apt install libopenblas0-pthread"
        return Check(name, "warn", value, remedy)
    return Check(name, "ok", value)


def working_set_check(found: Probe, kernel: Kernel) -> Check:
    """How much the GPU of a Mac may hold, and whether that limit was moved."""
    ram = parse_int(kernel.sysctl("hw.memsize"))
    limit_mb = parse_int(kernel.sysctl("iogpu.wired_limit_mb"))
    size = found.working_set_bytes
    shown = "n/a" if size is None else f"{size / GIB:.1f} GiB"
    total = "n/a" if ram is None else f"{ram / GIB:.1f} GiB"
    status: Status = "ok"
    remedy = ""
    if limit_mb is None:
        limit = "iogpu.wired_limit_mb n/a"
    elif not limit_mb:
        limit = "iogpu.wired_limit_mb not set"
        if ram is not None:
            more = int(ram * _SUGGESTED_SHARE) >> 20
            status = "info"
            remedy = (
                "If a run needs a little more and nothing else is open: sudo sysctl "
                f"iogpu.wired_limit_mb={more}, until the next restart."
            )
    else:
        limit = f"iogpu.wired_limit_mb {limit_mb}"
        if ram is not None and limit_mb * 2**20 > ram * _MOST_WIRED_SHARE:
            status = "warn"
            remedy = (
                f"That leaves the system {(ram - limit_mb * 2**20) / GIB:.1f} GiB: it may "
                "freeze. sudo sysctl iogpu.wired_limit_mb=0 gives it back."
            )
    return Check("GPU working set", status, f"{shown} of {total}; {limit} ({_UNVALIDATED})", remedy)
