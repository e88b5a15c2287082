"""Each way a trainer is known to die, in the words it dies with, and what stays unknown."""

from __future__ import annotations

import pytest

from cockpit.core.diagnosis import MEMORY_KINDS, diagnose, recognise
from cockpit.core.evidence import dated
from cockpit.core.samples import MemorySample

GIB = 2**30
ROOMY = MemorySample(
    ram_total_bytes=16 * GIB,
    ram_used_bytes=6 * GIB,
    swap_total_bytes=2 * GIB,
    swap_used_bytes=0,
    pressure="normal",
    footprint_bytes=3 * GIB,
)
CRITICAL = ROOMY.model_copy(update={"pressure": "critical", "ram_used_bytes": 15 * GIB})

METAL_OOM = (
    "[METAL] Command buffer execution failed: Insufficient Memory "
    "(00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"
)
METAL = "[METAL] Command buffer execution failed: "


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("allocation", METAL_OOM),
        ("allocation", f"RuntimeError: {METAL_OOM}."),
        ("allocation", METAL_OOM.replace("failed: ", "failed:")),
        ("allocation", f"libc++abi: terminating due to uncaught exception: {METAL_OOM}"),
        (
            "buffer_size",
            "RuntimeError: [metal::malloc] Attempting to allocate 19327352832 bytes which is "
            "greater than the maximum allowed buffer size of 17179869184 bytes.",
        ),
        (
            "buffer_size",
            "Attempting to allocate 19327352832 bytes which is greater than the maximum allowed "
            "buffer size of 17179869184 bytes",
        ),
        ("buffer_count", "RuntimeError: [metal::malloc] Resource limit (499000) exceeded."),
        ("buffer_count", "[metal::malloc]Resource limit (499000) exceeded"),
        ("allocation", "RuntimeError: [malloc] Unable to allocate 8589934592 bytes."),
        ("allocation", "[malloc_or_wait] Unable to allocate 8589934592 bytes"),
        ("allocation", "cudaMallocAsync(&data, size, stream) failed: out of memory"),
        ("allocation", "RuntimeError: cudaMalloc(&data, size) failed:out of memory."),
        ("allocation", "cudaMallocManaged(&data, size) failed: out of memory"),
        ("allocation", "cudaMallocHost(&data, size) failed: out of memory"),
        ("allocation", "RuntimeError: cudaGraphLaunch(graph, stream) failed: out of memory"),
        ("allocation", "RuntimeError: [metal::malloc] Unable to allocate 8589934592 bytes."),
        ("allocation", "MemoryError: Unable to allocate 7.45 GiB for an array"),
        ("gpu_timeout", "cudaStreamSynchronize(s) failed: the launch timed out and was terminated"),
        (
            "gpu_timeout",
            METAL + "Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)",
        ),
        (
            "gpu_interactivity",
            METAL + "Impacting Interactivity "
            "(0000000e:kIOGPUCommandBufferCallbackErrorImpactingInteractivity)",
        ),
        (
            "gpu_ignored",
            METAL + "Ignored (for causing prior/excessive GPU errors) "
            "(00000004:kIOGPUCommandBufferCallbackErrorSubmissionsIgnored)",
        ),
        (
            "gpu_ignored",
            METAL + "Discarded (victim of GPU error/recovery) "
            "(00000005:kIOGPUCommandBufferCallbackErrorInnocentVictim)",
        ),
        ("disk_full", "OSError: [Errno 28] No space left on device: 'checkpoints/x.partial'"),
        ("data", "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
        ("data", "KeyError: 'messages'"),
    ],
)
@pytest.mark.parametrize("ending", [(1, None), (134, "SIGABRT"), (None, None)])
def test_a_signature_is_recognised(
    kind: str, line: str, ending: tuple[int | None, str | None]
) -> None:
    code, signal = ending
    log = ["Iteration 12 loss 1.9", line, "Abort trap: 6"]
    diagnosis = diagnose(exit_code=code, signal=signal, log_tail=log, samples=[ROOMY])
    assert diagnosis.kind == kind
    assert diagnosis.evidence[0] == line
    assert diagnosis.remedy


@pytest.mark.parametrize(
    "line",
    [
        "insufficient memory is a common reason for a smaller batch",
        "Iteration 12: out of memory? no: 3.1 GB",
        "warning: a resource limit (ulimit -n 256) may be exceeded",
        "[malloc] Unable to allocate",
        "cudaMalloc(&data, size) failed: invalid argument",
        "attempting to allocate 12 bytes",
        "The GPU timed out on its last holiday",
        "events cannot be written: No space left on device; training goes on",
        "  File 'disk.py', line 3, in no_space_left",
        "KeyError: 'weights'",
        "{'text': 'MemoryError: is what Python says'}",
        "loss nan",
    ],
)
def test_a_look_alike_is_not(line: str) -> None:
    assert recognise([line]) is None
    assert diagnose(signal="SIGKILL", log_tail=[line], samples=[ROOMY]).kind == "unknown"


def test_only_what_less_memory_cures_counts_as_memory() -> None:
    cures = {"allocation", "buffer_size", "memory_kill", "allocator"}
    assert cures == MEMORY_KINDS
    count = diagnose(exit_code=1, log_tail=["[metal::malloc] Resource limit (499000) exceeded."])
    assert "a smaller batch does not help" in count.remedy


def test_the_last_signature_in_the_log_wins() -> None:
    found = recognise(["No space left on device", "other", "[malloc] Unable to allocate 8 bytes."])
    assert found is not None and found[0].kind == "allocation"


@pytest.mark.parametrize(
    ("signal", "samples", "oom_kills_delta", "kind"),
    [
        ("SIGKILL", [ROOMY], 1, "memory_kill"),
        ("SIGKILL", [CRITICAL], 0, "memory_kill"),
        ("SIGKILL", [CRITICAL], None, "memory_kill"),
        ("SIGKILL", [ROOMY], 0, "killed"),
        ("SIGKILL", [ROOMY], None, "unknown"),
        ("SIGKILL", [], None, "unknown"),
        ("SIGSEGV", [CRITICAL], 0, "allocator"),
        ("SIGSEGV", [ROOMY], 0, "unknown"),
        ("SIGSEGV", [ROOMY], 1, "unknown"),
        ("SIGBUS", [CRITICAL], 0, "unknown"),
        ("SIGTERM", [CRITICAL], 0, "killed"),
        (None, [ROOMY], 1, "memory_kill"),
        (None, [CRITICAL], 0, "unknown"),
    ],
)
def test_a_signal_is_memory_only_with_evidence(
    signal: str | None, samples: list[MemorySample], oom_kills_delta: int | None, kind: str
) -> None:
    diagnosis = diagnose(signal=signal, samples=samples, oom_kills_delta=oom_kills_delta)
    assert diagnosis.kind == kind


@pytest.mark.parametrize(
    "changes",
    [
        {"footprint_bytes": 15 * GIB},
        {"limit_bytes": 4 * GIB, "limit_used_bytes": int(3.9 * GIB)},
        {"swap_used_bytes": 2 * GIB, "ram_used_bytes": 15 * GIB},
        {"pressure": "warning", "compressed_bytes": 9 * GIB},
    ],
)
def test_a_last_sample_near_a_limit_is_evidence(changes: dict[str, int]) -> None:
    near = ROOMY.model_copy(update=changes)
    assert diagnose(signal="SIGKILL", samples=[ROOMY, near]).kind == "memory_kill"


def test_a_full_swap_with_ram_to_spare_is_not_evidence() -> None:
    full = ROOMY.model_copy(update={"swap_used_bytes": 2 * GIB})
    assert diagnose(signal="SIGKILL", samples=[full], oom_kills_delta=0).kind == "killed"


def test_a_crash_near_the_address_space_limit_is_the_allocators() -> None:
    diagnosis = diagnose(signal="SIGSEGV", samples=[ROOMY], address_space_bytes=4 * GIB)
    assert diagnosis.kind == "allocator"
    assert "address space limited to 4.29 GB" in diagnosis.evidence
    assert diagnose(signal="SIGSEGV", samples=[ROOMY], address_space_bytes=64 * GIB).kind == (
        "unknown"
    )


def test_a_silent_crash_under_a_limit_that_the_update_could_not_fit() -> None:
    """The allocator asks for one large buffer: nothing was near the limit a moment before."""
    reason = "an update was forecast to need 3.10 GB, 1.20 GB were left"

    def crash(signal: str) -> str:
        return diagnose(
            signal=signal,
            samples=[ROOMY],
            address_space_bytes=64 * GIB,
            address_space_reasons=[reason],
        ).kind

    assert crash("SIGSEGV") == "allocator"
    assert [crash("SIGKILL"), crash("SIGBUS")] == ["unknown", "unknown"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("cudaMallocAsync(&data, size, stream) failed: out of memory", "allocation"),
        (METAL + "Caused GPU Timeout Error (00000002:kIOGPU)", "gpu_timeout"),
        ("CUDA error: an illegal memory access was encountered", "hang"),
    ],
)
def test_a_hang_is_cured_like_the_error_before_it(line: str, kind: str) -> None:
    seen = f"no update for 12m after: {line}"
    hung = diagnose(
        signal="SIGKILL",
        log_tail=[line],
        samples=[ROOMY],
        signals_sent=["SIGTERM", "SIGKILL"],
        hang=seen,
    )
    assert hung.kind == kind
    assert seen in hung.evidence
    assert "hung" in hung.title and hung.remedy


def test_a_signal_that_was_asked_for_is_nobodys_fault() -> None:
    diagnosis = diagnose(
        signal="SIGKILL", samples=[CRITICAL], oom_kills_delta=0, signals_sent=["SIGTERM", "SIGKILL"]
    )
    assert (diagnosis.kind, diagnosis.title) == ("killed", "Stopped by force, as asked")


def test_an_unknown_exception_is_named_and_not_classified() -> None:
    log = ["Traceback (most recent call last):", '  File "x.py", line 1', "ValueError: odd shape"]
    diagnosis = diagnose(exit_code=1, log_tail=log)
    assert (diagnosis.kind, diagnosis.evidence[0]) == ("error", "ValueError: odd shape")


def test_evidence_says_all_that_is_known() -> None:
    diagnosis = diagnose(
        exit_code=137,
        signal="SIGKILL",
        log_tail=["one", "", "two"],
        samples=[ROOMY],
        oom_kills_delta=0,
    )
    assert diagnosis.evidence == (
        "ended by SIGKILL",
        "the kernel killed nothing for memory just then",
        "last sample: trainer 3.22 GB, RAM used 6.44 GB of 17.2 GB, swap used 0 GB of 2.15 GB, "
        "pressure normal",
        "one",
        "two",
    )


def test_what_every_run_prints_is_no_evidence() -> None:
    log = [
        "[transformers] Token indices sequence length is longer than the specified maximum (9 > 5)",
        "Killed: 9",
        "update 0: validation loss 10.7639",
    ]
    assert diagnose(signal="SIGKILL", log_tail=log).evidence == ("ended by SIGKILL", "Killed: 9")


def test_a_last_sample_says_how_old_it_was_at_the_end() -> None:
    """The trainer alone may have been read once more: the rest is from the reading before."""

    def told(*memory: tuple[float, MemorySample]) -> str:
        found = diagnose(signal="SIGKILL", samples=[sample for _, sample in memory])
        return dated(found, memory, 100.0).evidence[-1]

    glance = ROOMY.model_copy(update={"footprint_bytes": 4 * GIB})
    assert told((98.0, CRITICAL), (98.8, ROOMY)).startswith(
        "last sample, 1.2 s before the end: trainer 3.22 GB"
    )
    assert told((98.8, ROOMY), (99.7, glance)).startswith("last sample, 0.3 to 1.2 s before")
    assert told((99.0, ROOMY), (101.0, CRITICAL)).startswith("last sample, 0.0 s before")


def test_without_any_evidence_nothing_is_claimed() -> None:
    assert diagnose(exit_code=0).kind == "unknown"
    assert diagnose().evidence == ("exit code not known",)
