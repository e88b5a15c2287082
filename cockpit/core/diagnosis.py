"""Why a trainer died: its exit and the evidence around it become a Diagnosis.

Memory is named only when something says so: a message of MLX, the kernel's counter, or the last
samples. A bare SIGKILL or SIGSEGV stays unknown. ``SIGNATURES`` is data: one line a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cockpit.core import evidence
from cockpit.core.events import Diagnosis
from cockpit.core.samples import MemorySample

# Kinds whose cure is to need less memory. buffer_count is not one of them.
MEMORY_KINDS = frozenset({"allocation", "buffer_size", "memory_kill", "allocator"})

NEAR_FULL = 0.9
# macOS kills who holds most of the compressor's pages; half of RAM in it is near its end.
COMPRESSOR_SHARE = 0.5

_SMALLER = "Resume with a smaller batch, shorter sequences or fewer layers."
_INTACT = "The last complete checkpoint is intact: resume from it."


@dataclass(frozen=True, slots=True)
class Signature:
    """A text in the log that gives a death away."""

    kind: str
    title: str
    pattern: re.Pattern[str]
    remedy: str


def _signature(kind: str, title: str, pattern: str, remedy: str) -> Signature:
    return Signature(kind, title, re.compile(pattern, re.IGNORECASE), remedy)


_FREE_GPU = "Free the GPU: close what else uses it, or restart the machine, then resume."

# Most specific first. Spaces, colons and trailing dots come and go between MLX versions.
SIGNATURES: tuple[Signature, ...] = (
    _signature(
        "buffer_count",
        "Too many GPU buffers",
        r"\bresource limit\s*\(\d+\)\s*exceeded",
        "This is a count, not bytes. Use fewer distinct lengths (a smaller max_seq_length) and "
        "set clear_cache_threshold; a smaller batch does not help.",
    ),
    _signature(
        "buffer_size",
        "One buffer was larger than the GPU allows",
        r"attempting to allocate\s+\d+\s*bytes\s+which is greater than",
        _SMALLER,
    ),
    _signature(
        "allocation",
        "The GPU ran out of memory",
        r"insufficient memory\s*\(|kIOGPUCommandBufferCallbackErrorOutOfMemory",
        _SMALLER,
    ),
    _signature(
        "allocation",
        "The GPU ran out of memory",
        r"\bcu(?:da)?[A-Z]\w*\s*\(.*\bfailed\s*:?\s*out of memory",
        _SMALLER,
    ),
    _signature(
        "allocation",
        "Memory could not be allocated",
        r"\[(?:metal::)?malloc(?:_or_wait)?\]\s*:?\s*unable to allocate\s+\d+\s*bytes|"
        r"^MemoryError\b|std::bad_alloc",
        _SMALLER,
    ),
    _signature(
        "gpu_interactivity",
        "macOS stopped the GPU work to keep the display responsive",
        r"impacting interactivity|kIOGPUCommandBufferCallbackErrorImpactingInteractivity",
        "Let the display sleep while training and resume; less memory does not help.",
    ),
    _signature(
        "gpu_timeout",
        "One piece of GPU work took too long",
        r"caused gpu timeout|kIOGPUCommandBufferCallbackErrorTimeout|"
        r"\bcu(?:da)?[A-Z]\w*\s*\(.*\bfailed\s*:?\s*the launch timed out",
        "Resume with shorter sequences or a smaller batch, so that each step is shorter.",
    ),
    _signature(
        "gpu_ignored",
        "The GPU refused work after earlier errors",
        r"ignored\s*\(for causing prior/excessive gpu errors\)|"
        r"discarded\s*\(victim of gpu error/recovery\)",
        _FREE_GPU,
    ),
    _signature(
        "disk_full",
        "The disk is full",
        # Not the trainer's own line about events that wait while the training goes on.
        r"^(?!.*training goes on).*(?:no space left on device|\[errno 28\]|\[errno 122\]|"
        r"disk quota exceeded)",
        "Free some space, then resume.",
    ),
    _signature(
        "data",
        "The data could not be read",
        r"JSONDecodeError|UnicodeDecodeError|unsupported data format|^KeyError: '(?:messages|text|"
        r"prompt|completion)'",
        "Check the data set with: cockpit data FOLDER",
    ),
)


def recognise(lines: Sequence[str]) -> tuple[Signature, str] | None:
    """The signature in a log's last lines and the line that shows it; the latest line wins."""
    for line in reversed(lines):
        for signature in SIGNATURES:
            if signature.pattern.search(line):
                return signature, line.strip()
    return None


def diagnose(
    *,
    exit_code: int | None = None,
    signal: str | None = None,
    log_tail: Sequence[str] = (),
    samples: Sequence[MemorySample] = (),
    oom_kills_delta: int | None = None,
    signals_sent: Sequence[str] = (),
    address_space_bytes: int | None = None,
    address_space_reasons: Sequence[str] = (),
    hang: str | None = None,
) -> Diagnosis:
    """What a trainer that left no last word died of.

    ``exit_code`` as the shell counts it; ``signal`` by name. Both None: nobody could see the
    exit. ``samples`` are the last memory readings, oldest first; ``oom_kills_delta`` is how far
    the kernel's counter moved around the death; ``signals_sent`` are those that were sent on
    request; ``address_space_bytes`` is the process limit (``ulimit -v``), None without one, and
    ``address_space_reasons`` say why it may have been reached. ``hang`` says what was seen of a
    trainer that was ended because it hung after an error of the GPU.
    """
    case = _Case(
        known=evidence.of_exit(exit_code, signal, oom_kills_delta, address_space_bytes)
        + evidence.of_memory(samples[-1] if samples else None),
        log=evidence.of_log(log_tail),
    )
    if hang is not None:
        return _hung(case, hang, recognise(log_tail))
    if signal is not None and signal in signals_sent:
        return case.say("killed", "Stopped by force, as asked", _INTACT)
    # Exactly what the kernel counts; an unseen exit may have been its doing too.
    unseen = signal is None and exit_code is None
    if oom_kills_delta and (signal == "SIGKILL" or unseen):
        return case.say("memory_kill", "The kernel killed the trainer: out of memory", _SMALLER)
    if found := recognise(log_tail):
        signature, line = found
        return case.say(signature.kind, signature.title, signature.remedy, line)
    if signal is not None:
        counted = oom_kills_delta is not None and bool(samples)
        pressed = memory_reasons(samples, address_space_bytes)
        if signal == "SIGSEGV":
            pressed = (*pressed, *address_space_reasons)
        return _by_signal(case, signal, pressed, counted)
    if unseen:
        return case.say("unknown", "The trainer is gone and left no last word", _INTACT)
    if exception := _exception_line(log_tail):
        return case.say("error", "The trainer failed", "See train.log, then resume.", exception)
    title = f"The trainer ended with exit code {exit_code} and left no last word"
    return case.say("unknown", title, "See train.log. " + _INTACT)


def _hung(case: _Case, hang: str, found: tuple[Signature, str] | None) -> Diagnosis:
    """The cure is that of the error which came before."""
    if found is None:
        return case.say("hang", "The trainer hung after an error of the GPU", _FREE_GPU, hang)
    signature, line = found
    title = f"{signature.title}; the trainer then hung"
    return case.say(signature.kind, title, signature.remedy, line, hang)


@dataclass(frozen=True, slots=True)
class _Case:
    """What is known whatever the cause turns out to be."""

    known: tuple[str, ...]
    log: tuple[str, ...]

    def say(self, kind: str, title: str, remedy: str, *reasons: str) -> Diagnosis:
        evidence = tuple(dict.fromkeys((*reasons, *self.known, *self.log)))
        return Diagnosis(kind=kind, title=title, evidence=evidence, remedy=remedy)


def _by_signal(case: _Case, signal: str, pressed: tuple[str, ...], counted: bool) -> Diagnosis:
    """``counted``: memory was watched, and the kernel's own counter did not move."""
    if signal == "SIGKILL" and pressed:
        return case.say("memory_kill", "Killed as memory ran out", _SMALLER, *pressed)
    if signal == "SIGKILL" and counted:
        return case.say("killed", "Someone killed the trainer (SIGKILL)", _INTACT)
    if signal == "SIGKILL":
        title = "The trainer was killed (SIGKILL), by whom is not known"
        return case.say("unknown", title, _INTACT)
    if signal == "SIGSEGV" and pressed:
        title = "The trainer crashed as memory ran out"
        return case.say("allocator", title, _SMALLER, *pressed)
    if signal in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"):
        return case.say("killed", f"Someone ended the trainer ({signal})", _INTACT)
    return case.say("unknown", f"The trainer crashed ({signal})", _INTACT)


def memory_reasons(
    samples: Sequence[MemorySample], address_space_bytes: int | None = None
) -> tuple[str, ...]:
    """What in the last samples says that memory was short, in words; empty if nothing does."""
    reasons: list[str] = []
    for sample in samples[-3:]:
        if sample.pressure == "critical":
            reasons.append("memory pressure was critical")
        limit = sample.limit_bytes or sample.ram_total_bytes
        if _near(sample.footprint_bytes, limit) or _near(sample.limit_used_bytes, limit):
            reasons.append("the memory in use was near the limit")
        if _near(sample.swap_used_bytes, sample.swap_total_bytes) and _near(
            sample.ram_used_bytes, sample.ram_total_bytes
        ):
            reasons.append("RAM and swap were full")
        if _near(sample.compressed_bytes, sample.ram_total_bytes, COMPRESSOR_SHARE):
            reasons.append("the memory compressor held half of RAM")
        # Address space is always more than what is resident, so a lower mark counts as near.
        if _near(sample.footprint_bytes, address_space_bytes, 0.6):
            reasons.append("the process was near its address space limit (ulimit -v)")
    return tuple(dict.fromkeys(reasons))


def _near(used: int | None, total: int | None, share: float = NEAR_FULL) -> bool:
    return bool(used is not None and total and used >= share * total)


_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b.*")


def _exception_line(lines: Sequence[str]) -> str | None:
    """The last line that looks like the end of a Python traceback."""
    return next((line for line in reversed(lines) if _EXCEPTION.match(line)), None)
