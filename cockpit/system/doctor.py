"""What ``cockpit doctor`` finds out: every check is a value, and a bad one says what to do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cockpit.core.samples import MemorySample
from cockpit.errors import CockpitError
from cockpit.system import checks_mlx, checks_power
from cockpit.system.checks import Check, Status
from cockpit.system.checks_hub import hub_check, tokenizer_check
from cockpit.system.checks_terminal import screen_size, terminal_check
from cockpit.system.hardware import detect
from cockpit.system.home import home
from cockpit.system.power import KeepAwake
from cockpit.system.sensors import read_memory
from cockpit.system.sensors.macos import Kernel
from cockpit.system.software import blas_check, package_checks, python_check

__all__ = ["Check", "Status", "run_checks"]

# Checkpoints with optimizer moments are tens to hundreds of MB, and several are kept.
_LOW_DISK_BYTES = 5 * 10**9
_FULL_DISK_BYTES = 5 * 10**8
_LOW_RAM_SHARE = 0.25
# The oldest that mlx's wheels are built for.
_OLDEST_MACOS = (14, 0)


def run_checks() -> list[Check]:
    """Everything, in the order it is read: software, machine, disk, terminal.

    No check raises: one that breaks is itself a finding. Takes a second or two, most of it MLX's
    start in a process of its own.
    """
    kernel = _kernel()
    found = checks_mlx.probe()
    groups: list[Callable[[], list[Check]]] = [
        lambda: [python_check(kernel), system_check()],
        package_checks,
        lambda: [backend_check()],
        lambda: [blas_check()] if sys.platform == "linux" else [],
        lambda: [checks_mlx.speed_check(found)],
        lambda: [checks_mlx.working_set_check(found, kernel)] if kernel else [],
        lambda: memory_checks(read_memory()),
        lambda: checks_power.mac_power() if kernel else checks_power.linux_power(),
        lambda: [power_check()],
        lambda: home_checks(home()),
        lambda: [tokenizer_check(), hub_check(os.environ)],
        lambda: [terminal_check(os.environ, screen_size(), sys.stdout.encoding)],
    ]
    checks: list[Check] = []
    for group in groups:
        try:
            checks += group()
        except Exception as error:
            checks.append(Check("Doctor", "warn", f"a check failed: {error!r}", "Report this."))
    return checks


def system_check() -> Check:
    if sys.platform == "darwin":
        return macos_check(platform.mac_ver()[0])
    if sys.platform == "linux":
        return Check("System", "ok", f"Linux {platform.release()}")
    return Check("System", "fail", sys.platform, "MLX runs on macOS (Apple silicon) and Linux.")


def macos_check(version: str) -> Check:
    """mlx has no wheel for an older macOS. Not validated on a Mac."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if not numbers:
        return Check("System", "info", "macOS n/a")
    if numbers < _OLDEST_MACOS:
        remedy = "Update to macOS 14 or later: mlx has no wheels for this one."
        return Check("System", "fail", f"macOS {version}", remedy)
    return Check("System", "ok", f"macOS {version}")


def backend_check() -> Check:
    """Where a run would compute, and what it may use."""
    try:
        machine = detect()
    except CockpitError as error:
        return Check("Backend", "fail", error.title, error.remedy)
    value = f"{machine.backend}, {machine.title.partition(': ')[2]}"
    value += f"; a run may use {_gib(machine.budget_bytes)}"
    unused_gpu = "is not used" in machine.notes
    remedy = "pip install 'mlx-cockpit[cuda]' to train on the GPU." if unused_gpu else ""
    if machine.notes:
        value += f". {machine.notes}"
    return Check("Backend", "warn" if unused_gpu else "ok", value, remedy)


def memory_checks(sample: MemorySample) -> list[Check]:
    """RAM, swap, pressure and any limit, as the sensors see them."""
    return [_ram(sample), _swap(sample), _pressure(sample), _limit(sample)]


def power_check(awake: KeepAwake | None = None) -> Check:
    """Whether sleep can really be prevented: the lock is taken and given back."""
    with awake or KeepAwake("cockpit doctor") as held:
        if held.active:
            return Check("Sleep", "ok", f"{held.method} keeps the machine awake during a run")
        remedy = "A laptop: set it not to sleep while a run lives. A server needs nothing."
        return Check("Sleep", "info", held.reason, remedy)


def home_checks(folder: Path) -> list[Check]:
    """The home of runs: can it be written, and is there room?"""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"cockpit")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        remedy = "Set COCKPIT_HOME to a folder you can write to."
        return [Check("Home", "fail", f"{folder}: {error.strerror or error}", remedy)]
    free = shutil.disk_usage(folder).free
    status: Status = "ok"
    if free < _LOW_DISK_BYTES:
        status = "fail" if free < _FULL_DISK_BYTES else "warn"
    remedy = "" if status == "ok" else "Free some space, or set COCKPIT_HOME to another disk."
    return [
        Check("Home", "ok", str(folder)),
        Check("Disk", status, f"{free / 1e9:.1f} GB free at {folder}", remedy),
    ]


def _ram(sample: MemorySample) -> Check:
    total, available = sample.ram_total_bytes, sample.ram_available_bytes
    if total is None or available is None:
        return Check("RAM", "warn", f"{_gib(total)}, {_gib(available)} available")
    low = available < total * _LOW_RAM_SHARE
    remedy = "Close what you do not need: a run takes from what is available." if low else ""
    value = f"{_gib(total)}, {_gib(available)} available"
    return Check("RAM", "warn" if low else "ok", value, remedy)


def _swap(sample: MemorySample) -> Check:
    total, used = sample.swap_total_bytes, sample.swap_used_bytes
    # macOS grows its swap files as it needs them, so only use says something.
    if total == 0 and used == 0:
        remedy = "A few GiB of swap give the guard time to stop a run before the kernel does."
        return Check("Swap", "info", "none", remedy)
    return Check("Swap", "info", f"{_gib(used)} of {_gib(total)} used")


def _pressure(sample: MemorySample) -> Check:
    word = sample.pressure
    if word is None:
        return Check("Memory pressure", "info", "n/a: this system does not say")
    value: str = word
    if sample.pressure_some_percent is not None:
        value += f" (PSI some {sample.pressure_some_percent:.1f} %"
        if sample.pressure_full_percent is not None:
            value += f", full {sample.pressure_full_percent:.1f} %"
        value += ")"
    remedy = "" if word == "normal" else "Something already waits for memory: close it first."
    return Check("Memory pressure", "ok" if word == "normal" else "warn", value, remedy)


def _limit(sample: MemorySample) -> Check:
    if sample.limit_bytes is None:
        return Check("Memory limit", "info", "none")
    used = _gib(sample.limit_used_bytes)
    return Check("Memory limit", "info", f"{_gib(sample.limit_bytes)} by cgroup, {used} used")


def _gib(size_bytes: int | None) -> str:
    return "n/a" if size_bytes is None else f"{size_bytes / 2**30:.1f} GiB"


def _kernel() -> Kernel | None:
    if sys.platform != "darwin":
        return None
    from cockpit.system.sensors.darwin import DarwinKernel

    return DarwinKernel()
