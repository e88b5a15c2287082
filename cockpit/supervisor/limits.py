"""What a trainer may take: the limits that bind it, its forecast, and the guard's thresholds."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from cockpit.core.guard_reading import Bound
from cockpit.core.guard_settings import GuardSettings
from cockpit.core.samples import MemorySample
from cockpit.errors import CockpitError
from cockpit.supervisor.peaks import Peaks
from cockpit.supervisor.progress import Progress
from cockpit.system.home import home
from cockpit.system.profile_files import load_profile
from cockpit.system.run_dir import AttemptDir

THIS_MACHINE = "this-machine"
# Resident before the first update; the other parts of a forecast come on top of them.
_RESIDENT = ("weights", "adapters", "optimizer")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the attempt's forecast.json says; None where it does not."""

    low_bytes: int | None = None
    peak_bytes: int | None = None
    budget_bytes: int | None = None
    # What an update takes on top of the loaded model.
    rise_bytes: int | None = None
    # Traced, on a kind of device where forecasts were measured to be right.
    is_sure: bool = False

    @classmethod
    def of(cls, attempt: AttemptDir) -> Forecast:
        document = attempt.forecast() or {}
        low, peak, budget = (
            value if isinstance(value := document.get(name), int) else None
            for name in ("low_bytes", "peak_bytes", "budget_bytes")
        )
        parts = document.get("parts")
        rise = None
        if low is not None and isinstance(parts, dict):
            rise = low - sum(size for name in _RESIDENT if isinstance(size := parts.get(name), int))
        traced = document.get("method") == "trace" and document.get("unvalidated") is False
        # Without the data's own lengths it is the longest that the plan lets them be.
        sure = traced and document.get("longest_batch_tokens") is not None
        return cls(low, peak, budget, rise, sure)


def guard_settings() -> GuardSettings:
    """This machine's own, from the profile that the person saved for it; else the defaults."""
    path = home() / "profiles" / f"{THIS_MACHINE}.toml"
    try:
        return load_profile(path).guard if path.is_file() else GuardSettings()
    except CockpitError:
        return GuardSettings()


def bounds(
    sample: MemorySample, others_bytes: int, peaks: Peaks, address_space_bytes: int | None
) -> list[Bound]:
    """The limits behind which this process would be killed, those that are known.

    On macOS there is no such figure: swap grows with the disk, and the kernel kills by pressure.
    """
    found = []
    limit = memory_limit_bytes(sample)
    if limit is not None and sys.platform != "darwin":
        name = "memory limit of the cgroup" if sample.limit_bytes else "RAM and swap"
        found.append(Bound(name, limit, peaks.footprint_bytes, others_bytes))
    if address_space_bytes is not None:
        name = "address space (ulimit -v)"
        found.append(Bound(name, address_space_bytes, peaks.address_space_bytes))
    return found


def memory_limit_bytes(sample: MemorySample) -> int | None:
    """RAM, or the part of it that a cgroup leaves, and the swap beyond it."""
    total = sample.ram_total_bytes
    return None if total is None else total + (sample.swap_total_bytes or 0)


def used_bytes(sample: MemorySample) -> int | None:
    """What is taken of ``memory_limit_bytes``, by everyone."""
    total, available = sample.ram_total_bytes, sample.ram_available_bytes
    if total is None or available is None:
        return None
    return total - available + (sample.swap_used_bytes or 0)


def address_space_bytes(pid: int) -> int | None:
    """The process's ``ulimit -v``; None without one, or where it cannot be asked."""
    import resource

    try:
        limit, _ = resource.prlimit(pid, resource.RLIMIT_AS)
    except (AttributeError, OSError, ValueError):
        return None
    return None if limit == resource.RLIM_INFINITY else limit


def gpu_bytes(progress: Progress) -> int | None:
    """Memory of the NVIDIA GPU that the trainer runs on; takes as long as nvidia-smi does."""
    if sys.platform != "linux" or "(GPU)" not in progress.device:
        return None
    from cockpit.system.hardware import find_gpu

    gpu = find_gpu()
    return gpu.memory_bytes if gpu else None
