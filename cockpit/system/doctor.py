"""What ``cockpit doctor`` finds out: every check is a value, and a bad one says what to do."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from cockpit.core.samples import MemorySample
from cockpit.errors import CockpitError
from cockpit.system.checks import Check, Status
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
_SMALLEST_SCREEN = (80, 24)


def run_checks() -> list[Check]:
    """Everything, in the order it is read: software, machine, disk, terminal.

    No check raises: one that breaks is itself a finding. Takes well under a second, most of it
    asking for the sleep lock and trying the BLAS.
    """
    kernel = _kernel()
    groups: list[Callable[[], list[Check]]] = [
        lambda: [python_check(kernel), system_check()],
        package_checks,
        lambda: [backend_check()],
        lambda: [blas_check()] if sys.platform == "linux" else [],
        lambda: memory_checks(read_memory()),
        lambda: [power_check()],
        lambda: home_checks(home()),
        lambda: [hub_check(os.environ)],
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
        return Check("System", "ok", f"macOS {platform.mac_ver()[0] or 'n/a'}")
    if sys.platform == "linux":
        return Check("System", "ok", f"Linux {platform.release()}")
    return Check("System", "fail", sys.platform, "MLX runs on macOS (Apple silicon) and Linux.")


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


def hub_check(environ: Mapping[str, str]) -> Check:
    """Where models are looked for, by huggingface_hub's own rules; nothing is measured."""
    cache = hub_cache(environ)
    if not cache.is_dir():
        return Check("Hugging Face cache", "info", f"{cache} (not there yet)")
    try:
        models = sum(1 for entry in cache.iterdir() if entry.name.startswith("models--"))
    except OSError as error:
        remedy = "Make it readable, or set HF_HUB_CACHE."
        return Check("Hugging Face cache", "warn", f"{cache}: {error.strerror}", remedy)
    return Check("Hugging Face cache", "ok", f"{cache}, {models} model{'s' * (models != 1)}")


def hub_cache(environ: Mapping[str, str]) -> Path:
    """HF_HUB_CACHE, else HF_HOME/hub, else the XDG cache's huggingface/hub."""
    if cache := environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(os.path.expandvars(cache)).expanduser()
    if hub_home := environ.get("HF_HOME"):
        return Path(os.path.expandvars(hub_home)).expanduser() / "hub"
    base = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "huggingface" / "hub"


def terminal_check(
    environ: Mapping[str, str], size: tuple[int, int] | None, encoding: str | None
) -> Check:
    """What the terminal says of itself, and whether the cockpit fits in it."""
    term, color = environ.get("TERM", ""), environ.get("COLORTERM", "")
    facts = [term or "TERM n/a", color or "COLORTERM n/a", encoding or "encoding n/a"]
    facts.append(f"{size[0]} x {size[1]}" if size else "no terminal")
    if environ.get("SSH_CONNECTION"):
        facts.append("over SSH")
    if environ.get("NO_COLOR"):
        facts.append("NO_COLOR")
    remedy = ""
    if size is None:
        return Check("Terminal", "info", ", ".join(facts))
    if (encoding or "").lower().replace("-", "") != "utf8":
        remedy = "Set LANG to a UTF-8 locale, such as C.UTF-8: curves are drawn with Unicode."
    elif size[0] < _SMALLEST_SCREEN[0] or size[1] < _SMALLEST_SCREEN[1]:
        remedy = "Enlarge it to 80 x 24."
    elif term in ("", "dumb"):
        remedy = "Set TERM to what your terminal is, such as xterm-256color."
    return Check("Terminal", "warn" if remedy else "ok", ", ".join(facts), remedy)


def screen_size() -> tuple[int, int] | None:
    """Columns and rows of the terminal, None without one."""
    for stream in filter(None, (sys.__stdout__, sys.__stderr__)):
        with contextlib.suppress(OSError, ValueError):
            size = os.get_terminal_size(stream.fileno())
            return size.columns, size.lines
    return None


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
    value = "none" if total == 0 and used == 0 else f"{_gib(used)} of {_gib(total)} used"
    return Check("Swap", "info", value)


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
