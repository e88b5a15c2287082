"""How far each backend schedules ahead of what has run: data, each with its source.

MLX allocates a result when it schedules the work and frees it when the work has run, so what is
scheduled and has not run keeps its buffers. Without that a forecast is 13 to 28 % too low.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cockpit.core.profiles import Backend


@dataclass(frozen=True, slots=True)
class RunAhead:
    """When scheduled work is cut into a task, and how many tasks may be unfinished.

    By ``dispatches``: after so many pieces of work. By ``commits``: once a command buffer holds
    more than so many pieces of work, or its arrays more than so many Mi elements (or MiB).
    ``page_bytes``: allocations above it are rounded up to whole pages. A freed buffer is kept
    while all kept ones are within ``cache_limit_bytes`` (None: no limit), and is used again for
    a request that is at most ``reuse_slack_bytes`` smaller.
    """

    backend: Backend
    cut_by: Literal["dispatches", "commits"]
    work_per_task: int
    outstanding_tasks: int
    mebi_per_task: int = 0
    mebi_of: Literal["elements", "bytes"] = "elements"
    page_bytes: int = 0
    reuse_slack_bytes: int = 0
    cache_limit_bytes: int | None = 0
    validated: bool = False
    source: str = ""


CPU = RunAhead(
    backend="cpu",
    cut_by="dispatches",
    work_per_task=10,
    outstanding_tasks=10,
    reuse_slack_bytes=2 * 4096,
    cache_limit_bytes=32 << 20,
    validated=True,
    source="DISPATCHES_PER_TASK in backend/cpu/encoder.h, MAX_ACTIVE_TASKS in transforms.cpp, "
    "CommonAllocator in backend/no_gpu/allocator.cpp",
)
# By the last letter of Metal's architecture name: p phone, g base and pro, s max, d ultra.
METAL: dict[str, RunAhead] = {
    chip: RunAhead(
        backend="metal",
        cut_by="commits",
        work_per_task=work,
        outstanding_tasks=10,
        mebi_per_task=elements,
        page_bytes=16_384,
        reuse_slack_bytes=2 * 16_384,
        cache_limit_bytes=None,
        source="Device::Device in backend/metal/device.cpp, MAX_ACTIVE_TASKS in transforms.cpp",
    )
    for chip, work, elements in (("p", 20, 40), ("g", 40, 40), ("s", 50, 50), ("d", 50, 50))
}
# By compute capability, here by the names of the GPUs that have it.
_CUDA_SIZES = (
    (("h100", "h200", "gh200", "b100", "b200", "gb200", "rtx 50", "rtx pro"), 100, 1000),
    (("a100", "a800"), 20, 400),
    (("gb10",), 20, 25),
)


def default_run_ahead(backend: Backend, chip: str | None = None) -> RunAhead:
    """The defaults of MLX for a backend; ``chip`` is the processor's or GPU's own name."""
    if backend == "cpu":
        return CPU
    name = (chip or "").lower()
    if backend == "metal":
        return METAL["s" if "max" in name else "d" if "ultra" in name else "g"]
    for names, work, mebibytes in _CUDA_SIZES:
        if any(known in name for known in names):
            return _cuda(work, mebibytes)
    return _cuda(20, 100)


def _cuda(work: int, mebibytes: int) -> RunAhead:
    return RunAhead(
        backend="cuda",
        cut_by="commits",
        work_per_task=work,
        outstanding_tasks=10,
        mebi_per_task=mebibytes,
        mebi_of="bytes",
        page_bytes=16_384,
        reuse_slack_bytes=2 * 16_384,
        cache_limit_bytes=None,
        source="get_graph_limits in backend/cuda/device.cpp, MAX_ACTIVE_TASKS in transforms.cpp",
    )
