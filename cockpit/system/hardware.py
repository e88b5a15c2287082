"""The machine at hand as a HardwareProfile, without importing mlx, and where profiles live."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

import cockpit
from cockpit.core.profiles import GIB, HardwareProfile
from cockpit.errors import CockpitError
from cockpit.system import profile_files
from cockpit.system.home import home
from cockpit.system.profile_files import ProfileSet, load_profile, load_profiles
from cockpit.system.sensors.files import read_text
from cockpit.system.sensors.linux import LinuxMemory
from cockpit.system.sensors.macos import Kernel, parse_int, parse_text
from cockpit.system.software import MLX_CUDA, installed_version

THIS_MACHINE = profile_files.THIS_MACHINE

# What stays with the system: assumptions, at most a quarter of a small machine. On Metal the
# working set is nearly always the tighter bound.
_MAC_RESERVED_BYTES = 5 * GIB // 2
_OTHER_RESERVED_BYTES = GIB

# A cold driver without persistence mode takes about a second; a hung one never answers.
_NVIDIA_SMI_SECONDS = 5.0


def profile_folders() -> list[Path]:
    """The shipped profiles, then the user's own, which win."""
    package = Path(cockpit.__file__).parent
    packaged = package / "_profiles"
    shipped = packaged if packaged.is_dir() else package.parent / "profiles"
    return [shipped, home() / "profiles"]


def known_profiles() -> ProfileSet:
    """Every profile shipped or written by the user."""
    return load_profiles(profile_folders())


def this_machine() -> HardwareProfile:
    """This machine as the person described it in ``this-machine.toml``, else as detected.

    Raises CockpitError if that file is wrong, or nothing can be detected.
    """
    path = profile_folders()[-1] / f"{THIS_MACHINE}.toml"
    return load_profile(path) if path.is_file() else detect()


def detect() -> HardwareProfile:
    """This machine's real figures, within any cgroup limit. Milliseconds without an NVIDIA GPU.

    Raises CockpitError where the machine does not say how much memory it has.
    """
    try:
        if sys.platform == "darwin":
            from cockpit.system.sensors.darwin import DarwinKernel

            return detect_mac(DarwinKernel())
        return detect_linux()
    except ValidationError as error:
        raise CockpitError(
            "This machine's memory is unknown",
            "The system does not say how much memory there is.",
            "Choose a hardware profile by name; `cockpit profiles` lists them.",
            exit_code=1,
        ) from error


def detect_mac(kernel: Kernel) -> HardwareProfile:
    """The Mac whose kernel answers. Not validated on a Mac."""
    ram = parse_int(kernel.sysctl("hw.memsize"))
    chip = parse_text(kernel.sysctl("machdep.cpu.brand_string"))
    wired_limit_mb = parse_int(kernel.sysctl("iogpu.wired_limit_mb"))
    # 1 on Apple silicon, even under Rosetta, where platform.machine() says x86_64.
    metal = parse_int(kernel.sysctl("hw.optional.arm64")) == 1
    if not metal:
        notes = "Intel Mac: mlx has no Metal backend here."
    elif wired_limit_mb:
        notes = "Working set: iogpu.wired_limit_mb, as set on this Mac."
    else:
        notes = "Working set: Metal's usual share of RAM; iogpu.wired_limit_mb is not set."
    return HardwareProfile(
        name=THIS_MACHINE,
        title=_title(chip, ram),
        backend="metal" if metal else "cpu",
        chip=chip,
        ram_bytes=ram,
        working_set_bytes=wired_limit_mb * 2**20 if metal and wired_limit_mb else None,
        system_reserved_bytes=_reserved(ram, _MAC_RESERVED_BYTES),
        cpu_cores=parse_int(kernel.sysctl("hw.ncpu")),
        notes=notes,
    )


def detect_linux(root: Path = Path("/"), nvidia_smi: str = "nvidia-smi") -> HardwareProfile:
    """The Linux machine, or the container, under ``root``."""
    sample = LinuxMemory(root).read().sample
    ram = sample.ram_total_bytes
    chip = parse_cpuinfo(read_text(root / "proc/cpuinfo")) or platform.machine() or None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limited = "Memory is a cgroup limit. " if sample.limit_bytes == ram else ""
    gpu = find_gpu(nvidia_smi)
    if gpu is not None and _mlx_cuda_installed():
        return HardwareProfile(
            name=THIS_MACHINE,
            title=_title(gpu.name, gpu.memory_bytes),
            backend="cuda",
            chip=gpu.name,
            ram_bytes=ram,
            gpu_memory_bytes=gpu.memory_bytes,
            system_reserved_bytes=_reserved(gpu.memory_bytes, _OTHER_RESERVED_BYTES),
            cpu_cores=cores,
            notes=f"{limited}GPU memory: nvidia-smi.",
        )
    unused = f"{gpu.name} is not used: mlx-cockpit[cuda] is not installed." if gpu else ""
    return HardwareProfile(
        name=THIS_MACHINE,
        title=_title(chip, ram),
        backend="cpu",
        chip=chip,
        ram_bytes=ram,
        system_reserved_bytes=_reserved(ram, _OTHER_RESERVED_BYTES),
        cpu_cores=cores,
        notes=(limited + unused).strip(),
    )


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA GPU as nvidia-smi names and sizes it."""

    name: str
    memory_bytes: int


def find_gpu(nvidia_smi: str = "nvidia-smi") -> Gpu | None:
    """The first GPU a CUDA program here would see, or None."""
    tool = shutil.which(nvidia_smi)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if tool is None or visible in ("", "-1"):
        return None
    command = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    if visible:
        command.append(f"--id={visible.split(',')[0]}")
    try:
        answer = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_NVIDIA_SMI_SECONDS,
            check=True,
            text=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_nvidia_smi(answer.stdout)


def parse_nvidia_smi(text: str) -> Gpu | None:
    """The first line of ``name, MiB``; None if it names no memory (``[N/A]``)."""
    for line in text.splitlines():
        name, _, mebibytes = line.rpartition(",")
        if name and mebibytes.strip().isdigit():
            return Gpu(name.strip(), int(mebibytes) * 2**20)
    return None


def parse_cpuinfo(text: str | None) -> str | None:
    """The x86 model name; Arm kernels print none."""
    for line in (text or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return None


def _mlx_cuda_installed() -> bool:
    return any(installed_version(name) for name in MLX_CUDA)


def _reserved(memory_bytes: int | None, usual_bytes: int) -> int:
    return usual_bytes if memory_bytes is None else min(usual_bytes, memory_bytes // 4)


def _title(chip: str | None, memory_bytes: int | None) -> str:
    memory = "memory n/a" if memory_bytes is None else f"{memory_bytes / GIB:.1f} GiB"
    return f"This machine: {chip or 'unknown chip'}, {memory}"
